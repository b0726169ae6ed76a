/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Environment switches and fault injection. */

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/debug.h"

static const GDebugKey debug_keys[] = {
  { "tape",    PAL_DEBUG_TAPE },
  { "plan",    PAL_DEBUG_PLAN },
  { "kernels", PAL_DEBUG_KERNELS },
  { "cache",   PAL_DEBUG_CACHE },
  { "upload",  PAL_DEBUG_UPLOAD },
  { "time",    PAL_DEBUG_TIME },
  { "sync",    PAL_DEBUG_SYNC },
  { "noplan",  PAL_DEBUG_NOPLAN },
  { "nan",     PAL_DEBUG_NAN },
  { "canary",  PAL_DEBUG_CANARY },
  { "start",   PAL_DEBUG_START },
};

static const gchar *const fault_names[PAL_N_FAULTS] = {
  [PAL_FAULT_CL]    = "cl",
  [PAL_FAULT_ALLOC] = "alloc",
};

static gint debug_flags;
static gint fault_nth[PAL_N_FAULTS];
static gint fault_lasts[PAL_N_FAULTS];     /* whether all calls after the n-th fail, too */
static gint fault_count[PAL_N_FAULTS];

/* "cl:7", "cl:7+" or several, separated by commas. */
static void
parse_faults (const gchar *text)
{
  g_auto (GStrv) parts = g_strsplit (text, ",", -1);

  for (gsize i = 0; parts[i]; i++)
    for (guint kind = 0; kind < PAL_N_FAULTS; kind++)
      {
        const gsize length = strlen (fault_names[kind]);

        if (strncmp (parts[i], fault_names[kind], length) == 0 && parts[i][length] == ':')
          {
            fault_nth[kind]   = (gint) CLAMP (g_ascii_strtoll (parts[i] + length + 1, NULL, 10),
                                              0, G_MAXINT);
            fault_lasts[kind] = g_str_has_suffix (parts[i], "+");
          }
      }
}

static void
read_environment (void)
{
  static gsize done = 0;

  if (g_once_init_enter (&done))
    {
      const gchar *debug = g_getenv ("PALIMPSEST_DEBUG");
      const gchar *fault = g_getenv ("PALIMPSEST_FAULT");

      if (debug)
        debug_flags = (gint) g_parse_debug_string (debug, debug_keys,
                                                   G_N_ELEMENTS (debug_keys));
      if (fault)
        parse_faults (fault);

      g_once_init_leave (&done, 1);
    }
}

gboolean
pal_debug (PalDebugFlags flag)
{
  read_environment ();

  return (g_atomic_int_get (&debug_flags) & (gint) flag) != 0;
}

void
pal_debug_set (PalDebugFlags flags)
{
  read_environment ();
  g_atomic_int_set (&debug_flags, (gint) flags);
}

void
pal_debug_log (PalDebugFlags flag,
               const gchar  *format,
               ...)
{
  g_autofree gchar *text = NULL;
  const gchar      *key  = "debug";
  va_list           args;

  if (! pal_debug (flag))
    return;

  for (gsize i = 0; i < G_N_ELEMENTS (debug_keys); i++)
    if (debug_keys[i].value == (guint) flag)
      key = debug_keys[i].key;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);

  g_printerr ("palimpsest-%s: %s\n", key, text);
}

PalStopwatch
pal_stopwatch_start (void)
{
  return (PalStopwatch) { .wall_us = g_get_monotonic_time (),
                          .cpu_us  = (gint64) clock () * G_USEC_PER_SEC / CLOCKS_PER_SEC };
}

void
pal_debug_lap (PalDebugFlags  flag,
               PalStopwatch  *watch,
               const gchar   *what)
{
  const PalStopwatch now = pal_stopwatch_start ();

  pal_debug_log (flag, "%s: %" G_GINT64_FORMAT " ms (%" G_GINT64_FORMAT " ms CPU)", what,
                 (now.wall_us - watch->wall_us) / 1000, (now.cpu_us - watch->cpu_us) / 1000);
  *watch = now;
}

static const gchar *
environment (const gchar *name)
{
  const gchar *value = g_getenv (name);

  return value && *value ? value : NULL;
}

const gchar *
pal_env_device (void)
{
  return environment ("PALIMPSEST_DEVICE");
}

guint64
pal_env_budget (void)
{
  static const gchar units[] = "KMGT";
  const gchar       *text    = environment ("PALIMPSEST_BUDGET");
  const gchar       *unit;
  gchar             *end     = NULL;
  gdouble            value;

  if (! text)
    return 0;

  value = g_ascii_strtod (text, &end);
  if (end == text || ! (value > 0))
    return 0;

  unit = *end ? strchr (units, g_ascii_toupper (*end)) : NULL;
  if (unit)
    value *= (gdouble) (G_GUINT64_CONSTANT (1) << 10 * (unit - units + 1));

  return value < 0x1p63 ? (guint64) value : G_GUINT64_CONSTANT (1) << 63;
}

const gchar *
pal_env_cache_dir (void)
{
  static gchar *folder = NULL;
  static gsize  done   = 0;
  const gchar  *chosen = environment ("PALIMPSEST_CACHE_DIR");

  if (chosen)
    return chosen;

  if (g_once_init_enter (&done))
    {
      folder = g_build_filename (g_get_user_cache_dir (), "palimpsest", NULL);
      g_once_init_leave (&done, 1);
    }

  return folder;
}

gboolean
pal_fault (PalFaultKind kind)
{
  gint call, nth;

  read_environment ();
  call = g_atomic_int_add (&fault_count[kind], 1) + 1;
  nth  = g_atomic_int_get (&fault_nth[kind]);

  return call == nth || (nth > 0 && call > nth && g_atomic_int_get (&fault_lasts[kind]));
}

void
pal_fault_arm (PalFaultKind kind,
               guint        nth)
{
  read_environment ();
  g_atomic_int_set (&fault_count[kind], 0);
  g_atomic_int_set (&fault_lasts[kind], FALSE);
  g_atomic_int_set (&fault_nth[kind], (gint) nth);
}

void
pal_fault_arm_from (PalFaultKind kind,
                    guint        nth)
{
  pal_fault_arm (kind, nth);
  g_atomic_int_set (&fault_lasts[kind], TRUE);
}

guint
pal_fault_calls (PalFaultKind kind)
{
  return (guint) g_atomic_int_get (&fault_count[kind]);
}

gpointer
pal_try_alloc (gsize n_bytes)
{
  if (pal_fault (PAL_FAULT_ALLOC))
    return NULL;

  return g_try_malloc0 (MAX (n_bytes, 1));
}
