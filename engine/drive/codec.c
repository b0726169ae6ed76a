/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pictures to scaled latents and back.
 *
 * A codec's activations grow with the picture, so a large one goes through in tiles
 * that overlap and are blended; so does any one for which there is too little memory.
 * The codec's group norms see a tile at a time, which shifts tones slightly: tiles
 * are therefore as large as memory allows, and small pictures go whole. */

#include "drive/codec.h"

#include <math.h>

#include "base/debug.h"
#include "drive/floats.h"
#include "drive/windows.h"

/* One pass of the codec over windows; sizes in latent px. from and to hold from_size
 * and to_size positions a side for each latent px, of so many channels. */
typedef struct
{
  PalModel     *model;
  PalPhase      phase;
  gint          width, height;
  gint          from_size, from_channels;
  gint          to_size, to_channels;
  gboolean    (*run) (PalModel *model, const gfloat *from, gint width, gint height, gfloat *to,
                      GCancellable *cancellable, GError **error);
  GCancellable *cancellable;
} Pass;

static gboolean
run_encode (PalModel      *model,
            const gfloat  *from,
            gint           width,
            gint           height,
            gfloat        *to,
            GCancellable  *cancellable,
            GError       **error)
{
  gint factor = pal_model_vae (model)->factor;

  return pal_model_encode (model, from, width * factor, height * factor, to, NULL, cancellable,
                           error);
}

/* All arithmetic is in single precision, so there is none wider to try. */
static void
not_finite (const gchar *what, GError **error)
{
  g_set_error (error, PAL_ERROR, PAL_ERROR_DEVICE,
               "the %s values that are not finite; the weights of its VAE may be damaged or "
               "unusually large: use another VAE, or another device", what);
}

static PalRect
scaled_rect (PalRect rect,
             gint    scale)
{
  return (PalRect) { rect.x * scale, rect.y * scale, rect.width * scale, rect.height * scale };
}

static gboolean
run_tiled (const Pass    *pass,
           gint           tile_px,
           const gfloat  *from,
           gfloat        *to,
           GError       **error)
{
  gint               factor = MAX (pass->from_size, pass->to_size);
  gint               size   = tile_px / factor, overlap = pal_ladder_overlap (tile_px) / factor;
  PalWindows         tiles  = { pass->width, pass->height, size, overlap };
  PalWindows         fine   = { pass->width * pass->to_size, pass->height * pass->to_size,
                                size * pass->to_size, overlap * pass->to_size };
  g_auto (PalBlend)  blend  = { 0 };
  g_autofree gfloat *in     = NULL;
  g_autofree gfloat *out    = NULL;
  gsize              area   = (gsize) size * (gsize) size;

  in  = pal_try_alloc (area * (gsize) (pass->from_size * pass->from_size * pass->from_channels) *
                       sizeof (gfloat));
  out = pal_try_alloc (area * (gsize) (pass->to_size * pass->to_size * pass->to_channels) *
                       sizeof (gfloat));
  if (! in || ! out || ! pal_blend_init (&blend, &fine, pass->to_channels))
    return pal_no_memory ("the picture", error);

  /* Near a border that is not the picture's own, a tile sees padding. */
  blend.margin = fine.overlap / 4;

  for (guint i = 0; i < pal_windows_count (&tiles); i++)
    {
      PalRect rect = pal_windows_nth (&tiles, i);

      if (g_cancellable_set_error_if_cancelled (pass->cancellable, error))
        return FALSE;

      pal_window_cut (from, pass->width * pass->from_size, scaled_rect (rect, pass->from_size),
                      pass->from_channels, in);
      if (! pass->run (pass->model, in, rect.width, rect.height, out, pass->cancellable, error))
        return FALSE;
      pal_blend_add (&blend, scaled_rect (rect, pass->to_size), out);
    }

  pal_blend_finish (&blend, to);

  return TRUE;
}

/* As the ladder has it, and one rung further down as long as memory is lacking. */
static gboolean
run_pass (const Pass    *pass,
          const gfloat  *from,
          gfloat        *to,
          GError       **error)
{
  gint      factor = MAX (pass->from_size, pass->to_size);
  gint      width  = pass->width * factor, height = pass->height * factor;
  GError   *local  = NULL;
  gboolean  ok;

  do
    {
      gint tile_px = pal_ladder_tile (pal_model_ladder (pass->model), pass->phase, width, height);

      ok = tile_px > 0
           ? run_tiled (pass, tile_px, from, to, &local)
           : pass->run (pass->model, from, pass->width, pass->height, to, pass->cancellable,
                        &local);
    }
  while (! ok && pal_model_recover (pass->model, pass->phase, MAX (width, height), &local));

  if (! ok)
    g_propagate_error (error, local);

  return ok;
}

gfloat *
pal_codec_encode (PalModel        *model,
                  const PalImage  *image,
                  GCancellable    *cancellable,
                  GError         **error)
{
  const PalVaeConfig *vae    = pal_model_vae (model);
  gint                factor = vae->factor;
  gsize               n      = (gsize) image->width * (gsize) image->height * 3;
  gsize               m      = n / 3 / (gsize) (factor * factor) * (gsize) vae->latent_channels;
  g_autofree gfloat  *pixels  = pal_try_alloc (n * sizeof (gfloat));
  g_autofree gfloat  *latents = pal_try_alloc (m * sizeof (gfloat));
  gboolean            fine    = TRUE;
  Pass                pass;

  g_return_val_if_fail (image->channels == 3, NULL);
  g_return_val_if_fail (image->width % factor == 0 && image->height % factor == 0, NULL);

  if (! pixels || ! latents)
    {
      pal_no_memory ("the picture", error);
      return NULL;
    }

  for (gsize i = 0; i < n; i++)
    {
      gfloat value = isfinite (image->data[i]) ? image->data[i] : 0.0f;

      pixels[i] = CLAMP (value, 0.0f, 1.0f) * 2.0f - 1.0f;
    }

  pass = (Pass) { model, PAL_PHASE_ENCODE, image->width / factor, image->height / factor, factor,
                  3, 1, (gint) vae->latent_channels, run_encode, cancellable };
  if (! run_pass (&pass, pixels, latents, error))
    return NULL;

  for (gsize i = 0; i < m; i++)
    {
      fine &= isfinite (latents[i]) != 0;
      latents[i] = (latents[i] - vae->shift_factor) * vae->scaling_factor;
    }

  if (fine)
    return g_steal_pointer (&latents);

  not_finite ("latents that the model encoded have", error);
  return NULL;
}

PalImage *
pal_codec_decode (PalModel      *model,
                  const gfloat  *latents,
                  gint           width,
                  gint           height,
                  GCancellable  *cancellable,
                  GError       **error)
{
  const PalVaeConfig  *vae    = pal_model_vae (model);
  gsize                n      = (gsize) width * (gsize) height * (gsize) vae->latent_channels;
  g_autofree gfloat   *z      = pal_try_alloc (n * sizeof (gfloat));
  g_autoptr (PalImage) image  = pal_image_new (width * vae->factor, height * vae->factor, 3);
  gboolean             fine   = TRUE;
  Pass                 pass;

  if (! z || ! image)
    {
      pal_no_memory ("the picture", error);
      return NULL;
    }

  for (gsize i = 0; i < n; i++)
    z[i] = latents[i] / vae->scaling_factor + vae->shift_factor;

  pass = (Pass) { model, PAL_PHASE_DECODE, width, height, 1, (gint) vae->latent_channels,
                  vae->factor, 3, pal_model_decode, cancellable };
  if (! run_pass (&pass, z, image->data, error))
    return NULL;

  for (gsize i = 0; i < (gsize) image->width * (gsize) image->height * 3; i++)
    {
      fine &= isfinite (image->data[i]) != 0;
      image->data[i] = CLAMP (image->data[i] * 0.5f + 0.5f, 0.0f, 1.0f);
    }

  if (fine)
    return g_steal_pointer (&image);

  not_finite ("picture that the model decoded has", error);
  return NULL;
}
