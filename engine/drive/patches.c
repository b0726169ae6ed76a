/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Cuts an exemplar into patches. Reference: training/exemplars.py, Patches. */

#include "drive/patches.h"

#include "drive/floats.h"

gint
pal_patches_row (const PalExemplarsConfig *config)
{
  gint row = PAL_N_VOTES * config->channels;

  for (guint i = 0; i < config->n_stages; i++)
    {
      const PalExemplarStage *stage = &config->stages[i];

      row = MAX (row, stage->side * stage->side * stage->channels + 1);
    }

  return row;
}

/* Copies the first kept channels of the side x side patch whose corner is at (y, x), channel
 * by channel; returns the sum of squares. cells: [h, width, channels] */
static gdouble
cut (const gfloat *cells, gint width, gint channels, gint y, gint x, gint side, gint kept,
     gfloat *out)
{
  gdouble energy = 0.0;

  for (gint c = 0; c < kept; c++)
    for (gint i = 0; i < side * side; i++)
      {
        gfloat v = cells[((y + i / side) * width + x + i % side) * channels + c];

        out[c * side * side + i] = v;
        energy += (gdouble) v * (gdouble) v;
      }

  return energy;
}

const PalPatchStage *
pal_patches_stage (PalPatches *patches, guint nth, GError **error)
{
  const PalExemplarsConfig *config = pal_exemplars_config (patches->exemplars);
  const PalExemplarStage *want = &config->stages[nth];
  const PalExemplar *exemplar = patches->exemplar;
  PalPatchStage *stage = &patches->stages[nth];
  gint across = exemplar->width - want->side + 1, down = exemplar->height - want->side + 1;
  gint middle = (want->side - PAL_VOTE) / 2, length = want->side * want->side * want->channels;
  gsize row = (gsize) pal_patches_row (config), n = (gsize) across * (gsize) down;
  g_autofree gfloat *cells = NULL;

  if (stage->values)
    return stage;

  if (! pal_floats_new (&cells, (gsize) exemplar->width * (gsize) exemplar->height *
                        (gsize) config->channels, error) ||
      ! pal_floats_new (&stage->keys, n * row, error) ||
      ! pal_floats_new (&stage->values, n * row, error))
    {
      g_clear_pointer (&stage->keys, g_free);
      return NULL;
    }

  pal_exemplars_read (patches->exemplars, exemplar, cells);
  stage->n_patches = (gint) n;

  for (gint i = 0; i < stage->n_patches; i++)
    {
      gint y = i / across, x = i % across;
      gfloat *key = stage->keys + (gsize) i * row;

      key[length] = (gfloat) cut (cells, exemplar->width, config->channels, y, x, want->side,
                                  want->channels, key);
      cut (cells, exemplar->width, config->channels, y + middle, x + middle, PAL_VOTE,
           config->channels, stage->values + (gsize) i * row);
    }

  return stage;
}

void
pal_patches_clear (PalPatches *patches)
{
  for (guint i = 0; i < PAL_EXEMPLARS_MAX_STAGES; i++)
    {
      g_clear_pointer (&patches->stages[i].keys, g_free);
      g_clear_pointer (&patches->stages[i].values, g_free);
    }
}
