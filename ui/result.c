/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns the life of scenes and results. */

#include "result.h"

void
pal_scene_free (PalScene *scene)
{
  if (! scene)
    return;

  g_clear_pointer (&scene->picture, pal_image_free);
  g_clear_pointer (&scene->mask, pal_image_free);
  g_free (scene);
}

PalResult *
pal_result_new (void)
{
  PalResult *result = g_new0 (PalResult, 1);

  g_ref_count_init (&result->refs);
  return result;
}

PalResult *
pal_result_ref (PalResult *result)
{
  g_ref_count_inc (&result->refs);
  return result;
}

void
pal_result_unref (PalResult *result)
{
  if (! result || ! g_ref_count_dec (&result->refs))
    return;

  if (result->destroy)
    result->destroy (result->data);
  g_clear_pointer (&result->image, pal_image_free);
  g_clear_pointer (&result->mask, pal_image_free);
  g_free (result->prompt);
  g_free (result->recipe);
  g_free (result->path);
  g_free (result);
}
