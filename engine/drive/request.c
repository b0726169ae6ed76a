/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What may be asked of a model, and what it takes where nothing is asked. */

#include "drive/request.h"

#include <math.h>

#include "sample/sampler.h"

#define LEAST_SIDE_PX 8
#define MOST_SIDE_PX  32768

typedef struct
{
  const gchar *field;
  gdouble      value, least, most;     /* 0 too: it stands for the default */
} Range;

static gboolean
refuse (GError      **error,
        const gchar  *format,
        ...) G_GNUC_PRINTF (2, 3);

static gboolean
refuse (GError      **error,
        const gchar  *format,
        ...)
{
  va_list args;

  va_start (args, format);
  g_propagate_error (error, g_error_new_valist (PAL_ERROR, PAL_ERROR_ARGUMENT, format, args));
  va_end (args);

  return FALSE;
}

static gboolean
check_ranges (const PalRequest  *r,
              GError           **error)
{
  const Range ranges[] = {
    { "steps", r->steps, 1.0, 1000.0 },
    { "guidance", r->guidance, 1.0, 50.0 },
    { "image guidance", r->image_guidance, 1.0, 50.0 },
    { "eta", r->eta, 0.0, 1.0 },
    { "clip skip", r->clip_skip, 1.0, 100.0 },
    { "s_noise", r->s_noise, 0.0, 2.0 },
    { "intent", r->intent, 0.0, PAL_N_INTENTS - 1 },
    { "random", r->random, 0.0, PAL_RANDOM_PHILOX }
  };

  for (gsize i = 0; i < G_N_ELEMENTS (ranges); i++)
    {
      const Range *range = ranges + i;

      if (range->value != 0.0 &&
          ! (range->value >= range->least && range->value <= range->most))
        return refuse (error, "%s is %g; it must be from %g to %g", range->field, range->value,
                       range->least, range->most);
    }

  for (gsize i = 0; i < r->n_adapters; i++)
    if (! (fabs (r->adapters[i].strength) <= 10.0))
      return refuse (error, "the strength of the adapter %s is %g; it must be from -10 to 10",
                     r->adapters[i].path, r->adapters[i].strength);

  if (r->strength != 0.0 && ! (r->strength > 0.0 && r->strength <= 1.0))
    return refuse (error, "strength is %g; it must be above 0 and at most 1", r->strength);

  return TRUE;
}

static gboolean
check_size (gint      width,
            gint      height,
            GError  **error)
{
  if (MIN (width, height) >= LEAST_SIDE_PX && MAX (width, height) <= MOST_SIDE_PX)
    return TRUE;

  return refuse (error, "the size is %d x %d px; both must be from %d to %d", width, height,
                 LEAST_SIDE_PX, MOST_SIDE_PX);
}

static gboolean
check_images (const PalRequest  *r,
              GError           **error)
{
  const PalImage *source = r->source, *mask = r->mask;

  if (! source)
    {
      if (r->intent != PAL_GENERATE)
        return refuse (error, "source is missing; it must be given except to generate");
      return check_size (r->width, r->height, error);
    }

  if (source->channels < 1 || source->channels > 4)
    return refuse (error, "source has %d channels; it must have 1 to 4", source->channels);
  if (! check_size (source->width, source->height, error))
    return FALSE;

  if (! mask)
    return TRUE;

  if (mask->channels != 1)
    return refuse (error, "mask has %d channels; it must have 1", mask->channels);
  if (mask->width != source->width || mask->height != source->height)
    return refuse (error, "mask is %d x %d px; it must be of the source's size, %d x %d px",
                   mask->width, mask->height, source->width, source->height);
  if (r->intent != PAL_GENERATE && pal_image_bounds (mask).width == 0)
    return refuse (error, "mask is 0 everywhere; it must be above 0 where the picture may change");

  return TRUE;
}

gboolean
pal_request_resolve (const PalRequest    *request,
                     const PalModelInfo  *info,
                     PalRequest          *out,
                     GError             **error)
{
  if (! check_ranges (request, error) || ! check_images (request, error))
    return FALSE;

  *out = *request;
  if (! out->prompt)
    out->prompt = "";
  if (! out->negative_prompt)
    out->negative_prompt = "";
  if (! out->sampler || ! *out->sampler)
    out->sampler = info->sampler;
  if (out->steps == 0)
    out->steps = info->steps;
  if (out->guidance == 0.0)
    out->guidance = pal_model_info_guidance (info, out->intent);
  if (out->image_guidance == 0.0)
    out->image_guidance = info->image_guidance;
  if (out->strength == 0.0)
    out->strength = pal_model_info_strength (info, out->intent);

  if (out->intent == PAL_GENERATE)
    out->strength = 1.0;
  if (out->source)
    {
      out->width  = out->source->width;
      out->height = out->source->height;
    }

  return pal_sampler_find (out->sampler, error) != NULL;
}
