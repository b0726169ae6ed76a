/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A pipeline case: stage by stage with recorded inputs, then as a whole. */

#include "golden.h"

gboolean
golden_pipeline (GoldenCase *c, PalDevice *device, GoldenResult *result, GError **error)
{
  g_autofree gchar *path = golden_model (c, error);
  g_autoptr (PalModel) model = path ? pal_model_open (device, path, error) : NULL;

  return model &&
         golden_stage_text (c, model, result, error) &&
         golden_stage_encode (c, model, result, error) &&
         golden_stage_mask (c, model, result, error) &&
         golden_stage_denoise (c, model, result, error) &&
         golden_stage_decode (c, model, result, error) &&
         golden_unet (c, device, result, error) &&
         golden_codec (c, device, result, error) &&
         golden_replay (c, model, result, error);
}
