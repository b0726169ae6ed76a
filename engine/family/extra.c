/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The object "palimpsest" of a model_index.json, where a model says what the
 * diffusers layout has no place for; training/README.md lists its fields. */

#include "family/family.h"

/* Fields that only one or two values are built for; absent means the first. */
static const struct
{
  const gchar *field, *values[2];
} choices[] = {
  { "class_labels", { "none", "pooled-text" } },
  { "conditioning", { "inpaint-latent", NULL } },
  { "mask", { "nearest", "area" } },
  { "posterior", { "mean", NULL } },
  { "restyle", { "noise", "source" } },
};

/* *second: whether the field holds its second value. */
static gboolean
read_choice (const PalJson *extra, const gchar *field, gboolean *second, GError **error)
{
  g_autofree gchar *value = NULL;
  gsize i = 0;

  while (! g_str_equal (choices[i].field, field))
    i++;

  *second = FALSE;
  if (! pal_json_string (extra, field, &value, error))
    return FALSE;
  if (! value || g_str_equal (value, choices[i].values[0]))
    return TRUE;

  *second = g_strcmp0 (value, choices[i].values[1]) == 0;
  if (! *second)
    g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
                 "%s: \"%s\" is %s, and only %s%s%s is supported",
                 pal_json_label (extra), field, value,
                 choices[i].values[0], choices[i].values[1] ? " or " : "",
                 choices[i].values[1] ? choices[i].values[1] : "");
  return *second;
}

static gboolean
read_window (const PalJson *extra, PalModelTraits *traits, GError **error)
{
  g_autoptr (PalJson) window = NULL;
  gint64 size = 0, overlap = 0;

  if (! pal_json_child (extra, "window", &window, error))
    return FALSE;
  if (! window)
    return TRUE;

  if (! pal_json_int (window, "size", &size, error) ||
      ! pal_json_int (window, "overlap", &overlap, error))
    return FALSE;

  if (size < 8 || size > 65536 || overlap < 0 || overlap >= size)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
                   "%s: \"size\" must be 8 to 65536 px and \"overlap\" less than it",
                   pal_json_label (window));
      return FALSE;
    }

  traits->window_px = (gint) size;
  traits->window_overlap_px = (gint) overlap;
  return TRUE;
}

gboolean
pal_traits_read (const PalJson *extra, PalModelTraits *traits, GError **error)
{
  gboolean unused;

  return read_choice (extra, "conditioning", &unused, error) &&
         read_choice (extra, "posterior", &unused, error) &&
         read_choice (extra, "mask", &traits->mask_area, error) &&
         read_choice (extra, "class_labels", &traits->pooled_labels, error) &&
         read_window (extra, traits, error);
}

gboolean
pal_traits_settle (PalParts *parts, GError **error)
{
  const PalFamily *family = parts->family;
  const PalDistilled *distilled = pal_distilled_find (parts);
  PalModelTraits *traits = &parts->traits;

  traits->text_skip = family->text_skip;
  traits->text_raw = family->text_raw;
  traits->zero_empty = family->zero_empty;
  traits->mask_strength = family->mask_strength;

  if (distilled && distilled->trailing)
    {
      parts->schedule.spacing = PAL_SPACING_TRAILING;
      parts->schedule.spacing_given = TRUE;
    }

  return pal_json_bool (parts->index, "force_zeros_for_empty_prompt", &traits->zero_empty, error);
}

static gboolean
read_defaults (const PalJson *extra, PalModelInfo *info, GError **error)
{
  g_autoptr (PalJson) defaults = NULL;
  gint64 steps = info->steps;

  if (! pal_json_child (extra, "defaults", &defaults, error))
    return FALSE;
  if (! defaults)
    return TRUE;

  if (! pal_json_int (defaults, "steps", &steps, error) ||
      ! pal_json_double (defaults, "guidance", &info->guidance, error))
    return FALSE;

  info->restyle_guidance = info->guidance;
  if (! pal_json_double (defaults, "restyle_guidance", &info->restyle_guidance, error) ||
      ! pal_json_double (defaults, "fill_strength", &info->fill_strength, error) ||
      ! pal_json_double (defaults, "restyle_strength", &info->restyle_strength, error) ||
      ! pal_json_string (defaults, "sampler", &info->sampler, error))
    return FALSE;

  if (steps < 1 || steps > 1000 || info->guidance < 1.0 || info->guidance > 50.0 ||
      info->restyle_guidance < 1.0 || info->restyle_guidance > 50.0 ||
      info->fill_strength <= 0.0 || info->fill_strength > 1.0 ||
      info->restyle_strength <= 0.0 || info->restyle_strength > 1.0)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
                   "%s: a value is out of range (steps 1 to 1000, guidance and restyle_guidance 1 "
                   "to 50, strengths above 0 and up to 1)", pal_json_label (defaults));
      return FALSE;
    }

  info->steps = (gint) steps;
  return TRUE;
}

gboolean
pal_info_read (const PalJson *extra, PalModelInfo *info, GError **error)
{
  gint64 trained = info->trained_px;
  gint64 range[2] = { 0, 0 };
  guint n = 0;

  if (! read_choice (extra, "restyle", &info->source_restyle, error) ||
      ! pal_json_strings (extra, "vocabulary", &info->vocabulary, error) ||
      ! pal_json_strings (extra, "styles", &info->styles, error) ||
      ! pal_json_int (extra, "trained_size", &trained, error) ||
      ! pal_json_ints (extra, "trained_range", range, G_N_ELEMENTS (range), &n, error) ||
      ! read_defaults (extra, info, error))
    return FALSE;

  if (trained < 8 || trained > 65536 || (n != 0 && (n != 2 || range[0] < 8 || range[1] < range[0])))
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
                   "%s: \"trained_size\" must be 8 to 65536 px, and \"trained_range\" two such "
                   "sizes in order", pal_json_label (extra));
      return FALSE;
    }

  info->trained_px = (gint) trained;
  if (n == 2)
    {
      info->trained_min_px = (gint) range[0];
      info->trained_max_px = (gint) range[1];
    }
  return TRUE;
}
