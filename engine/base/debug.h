/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Environment switches, all read here and nowhere else; listed in README.md. */

#ifndef PAL_BASE_DEBUG_H
#define PAL_BASE_DEBUG_H

#include <glib.h>

/* PALIMPSEST_DEBUG=tape,plan,...; each is also a domain of log messages. */
typedef enum
{
  PAL_DEBUG_TAPE    = 1 << 0,  /* list the recorded steps */
  PAL_DEBUG_PLAN    = 1 << 1,  /* list tensors with lifetime and place */
  PAL_DEBUG_KERNELS = 1 << 2,  /* list kernel builds */
  PAL_DEBUG_CACHE   = 1 << 3,
  PAL_DEBUG_UPLOAD  = 1 << 4,  /* list weights as they are packed */
  PAL_DEBUG_TIME    = 1 << 5,  /* time each step's kernel */
  PAL_DEBUG_SYNC    = 1 << 6,  /* wait after each kernel */
  PAL_DEBUG_NOPLAN  = 1 << 7,  /* a buffer of its own for each tensor */
  PAL_DEBUG_NAN     = 1 << 8,  /* stop at the first step whose result is not finite */
  PAL_DEBUG_CANARY  = 1 << 9,  /* check the gaps of the plan for stray writes */
  PAL_DEBUG_START   = 1 << 10  /* what the way to a program's first run costs */
} PalDebugFlags;

gboolean     pal_debug           (PalDebugFlags flag);
void         pal_debug_set       (PalDebugFlags flags);   /* for tests */

/* One line on standard error, "palimpsest-plan: ...", when the flag is on. */
void         pal_debug_log       (PalDebugFlags flag, const gchar *format,
                                  ...) G_GNUC_PRINTF (2, 3);

/* Wall and processor time since a moment; the latter of all threads, and what holds on a
 * machine that is shared with others. */
typedef struct
{
  gint64 wall_us, cpu_us;
} PalStopwatch;

PalStopwatch pal_stopwatch_start (void);

/* Logs "what: 12 ms (20 ms CPU)" for the time since *watch, which starts anew. */
void         pal_debug_lap       (PalDebugFlags flag, PalStopwatch *watch, const gchar *what);

const gchar *pal_env_device      (void);   /* PALIMPSEST_DEVICE or NULL */
guint64      pal_env_budget      (void);   /* PALIMPSEST_BUDGET in bytes ("4G", "800M"), 0 = none */
const gchar *pal_env_cache_dir   (void);   /* PALIMPSEST_CACHE_DIR or the user's cache/palimpsest */

/* Fault injection: PALIMPSEST_FAULT=cl:7 or alloc:3 fails the n-th such call,
 * counted from 1 over the process; cl:7+ that one and all after it. */
typedef enum { PAL_FAULT_CL, PAL_FAULT_ALLOC, PAL_N_FAULTS } PalFaultKind;

gboolean     pal_fault           (PalFaultKind kind);           /* TRUE: this call must fail */
void         pal_fault_arm       (PalFaultKind kind, guint nth);   /* for tests; 0 disarms */
void         pal_fault_arm_from  (PalFaultKind kind, guint nth);   /* all from the nth on */
guint        pal_fault_calls     (PalFaultKind kind);           /* calls since armed */

/* g_try_malloc () that fault injection reaches. Zero-filled. */
gpointer     pal_try_alloc       (gsize n_bytes);

#endif
