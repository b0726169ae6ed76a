/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The diffusion loop.
 *
 * Papers: arXiv 2108.01073 (partial noise), 2201.09865 (holding the known region),
 * 2207.12598 (guidance), 2302.08113 (windows), 2306.00950 (a strength for each pixel),
 * 2211.09800 (editing by instruction, eq. 3). Reference: huggingface/diffusers
 * src/diffusers/pipelines/stable_diffusion/pipeline_stable_diffusion_{img2img,inpaint,
 * instruct_pix2pix}.py
 * @58eb52c, Apache-2.0.
 * Easy to get wrong, guarded by the golden cases: the batch is [uncond, cond]; the
 * known region is renoised with the noise that the walk started from, and is put back
 * clean after the last call; a model that takes a mask gets no blending. */

#include "drive/diffusion.h"

#include <math.h>
#include <string.h>

#include "base/debug.h"
#include "base/random.h"
#include "drive/floats.h"
#include "drive/windows.h"

/* Neither picture nor prompt, the picture alone, both. */
#define MOST_BATCH 3

typedef struct
{
  const PalDenoiser  *denoiser;
  const PalDiffusion *d;
  GCancellable       *cancellable;
  gint                batch;
  gsize               pixels, n;        /* of the latents; n = pixels * L */
  gfloat             *noise, *fresh;    /* [n] */
  gfloat             *input;            /* [batch, h, w, in_channels] */
  gfloat             *output;           /* [batch, h, w, L] */
  gfloat             *guided, *known;   /* [n] */
  gfloat             *context;          /* [batch, tokens, channels] */
  gfloat             *vector;           /* [batch, vector_channels]; NULL for models without */
  gfloat             *sizes;            /* [batch, n_sizes]; NULL for models without */
  gfloat             *tile_in, *tile_out;
  PalWindows          windows;
  PalBlend            blends[MOST_BATCH];   /* one for each of the batch */
} Loop;

static void
loop_clear (Loop *loop)
{
  g_free (loop->noise);
  g_free (loop->fresh);
  g_free (loop->input);
  g_free (loop->output);
  g_free (loop->guided);
  g_free (loop->known);
  g_free (loop->context);
  g_free (loop->vector);
  g_free (loop->sizes);
  g_free (loop->tile_in);
  g_free (loop->tile_out);
  for (gsize b = 0; b < MOST_BATCH; b++)
    pal_blend_clear (&loop->blends[b]);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Loop, loop_clear)

static gboolean
check_conditions (const PalDiffusion  *d,
                  GError             **error)
{
  if (! d->uncond ||
      (d->uncond->tokens == d->cond->tokens && d->uncond->channels == d->cond->channels))
    return TRUE;

  g_set_error (error, PAL_ERROR, PAL_ERROR_SHAPE,
               "the prompt has %" G_GINT64_FORMAT " tokens, the negative prompt %" G_GINT64_FORMAT,
               d->cond->tokens, d->uncond->tokens);

  return FALSE;
}

/* What the prompts say, the negative first. */
static gboolean
join_conditions (Loop    *loop,
                 GError **error)
{
  const PalDiffusion *d        = loop->d;
  gsize               batch    = (gsize) loop->batch;
  gsize               per_text = (gsize) (d->cond->tokens * d->cond->channels);
  gsize               labels   = (gsize) d->cond->vector_channels;
  gsize               sizes    = (gsize) d->cond->n_sizes;

  if ((! loop->context && ! pal_floats_new (&loop->context, per_text * batch, error)) ||
      (labels > 0 && ! loop->vector && ! pal_floats_new (&loop->vector, labels * batch, error)) ||
      (sizes > 0 && ! loop->sizes && ! pal_floats_new (&loop->sizes, sizes * batch, error)))
    return FALSE;

  for (gsize b = 0; b < batch; b++)
    {
      const PalCondition *told = b + 1 == batch ? d->cond : d->uncond;

      memcpy (loop->context + b * per_text, told->states, per_text * sizeof (gfloat));
      if (labels > 0)
        memcpy (loop->vector + b * labels, told->vector, labels * sizeof (gfloat));
      if (sizes > 0)
        memcpy (loop->sizes + b * sizes, told->sizes, sizes * sizeof (gfloat));
    }

  return TRUE;
}

/* Whether the denoiser is shown a picture to change, beside the noisy one. */
static gboolean
is_editor (const Loop *loop)
{
  return loop->denoiser->in_channels == 2 * loop->denoiser->channels;
}

static gboolean
loop_init (Loop                *loop,
           GError             **error)
{
  const PalDiffusion *d        = loop->d;
  gsize               channels = (gsize) loop->denoiser->channels;
  gsize               batch, inputs;
  gint                window   = d->window > 0 ? d->window : MAX (d->width, d->height);

  loop->batch   = ! d->uncond ? 1 : is_editor (loop) ? 3 : 2;
  loop->pixels  = (gsize) d->width * (gsize) d->height;
  loop->n       = loop->pixels * channels;
  loop->windows = (PalWindows) { d->width, d->height, window, CLAMP (d->overlap, 0, window - 1) };
  batch         = (gsize) loop->batch;
  inputs        = batch * loop->pixels * (gsize) loop->denoiser->in_channels;

  if (! check_conditions (d, error) ||
      ! pal_floats_new (&loop->noise, loop->n, error) ||
      ! pal_floats_new (&loop->fresh, loop->n, error) ||
      ! pal_floats_new (&loop->known, loop->n, error) ||
      ! pal_floats_new (&loop->guided, loop->n, error) ||
      ! pal_floats_new (&loop->output, loop->n * batch, error) ||
      ! pal_floats_new (&loop->input, inputs, error) ||
      ! join_conditions (loop, error))
    return FALSE;

  if (pal_windows_count (&loop->windows) == 1)
    return TRUE;

  for (gint b = 0; b < loop->batch; b++)
    if (! pal_blend_init (&loop->blends[b], &loop->windows, (gint) channels))
      {
        g_set_error (error, PAL_ERROR, PAL_ERROR_MEMORY, "not enough memory to blend windows");
        return FALSE;
      }

  return pal_floats_new (&loop->tile_in, inputs, error) &&
         pal_floats_new (&loop->tile_out, loop->n * batch, error);
}

/* [noisy L, mask 1, masked image L], [noisy L, image L] or [noisy L]: the same for all of
 * the batch, but the first of three is shown no image. */
static void
fill_input (Loop         *loop,
            const gfloat *x,
            gint          call)
{
  const PalDiffusion *d  = loop->d;
  gsize               l  = (gsize) loop->denoiser->channels;
  gsize               in = (gsize) loop->denoiser->in_channels;
  gsize               of_one = loop->pixels * in;

  pal_sampling_scale (d->sampling, call, x, loop->guided, loop->n);

  for (gsize i = 0; i < loop->pixels; i++)
    {
      gfloat *to = loop->input + i * in;

      memcpy (to, loop->guided + i * l, l * sizeof (gfloat));
      if (in == l)
        continue;

      if (in > 2 * l)
        to[l] = d->mask ? d->mask[i] : 1.0f;
      memcpy (to + in - l, d->masked_image + i * l, l * sizeof (gfloat));
    }

  for (gsize b = 1; b < (gsize) loop->batch; b++)
    memcpy (loop->input + b * of_one, loop->input, of_one * sizeof (gfloat));

  for (gsize i = 0; i < loop->pixels && loop->batch == 3; i++)
    memset (loop->input + i * in + l, 0, l * sizeof (gfloat));
}

static gboolean
denoise_window (Loop          *loop,
                PalRect        rect,
                const gfloat  *input,
                gfloat        *output,
                gint           call,
                GError       **error)
{
  const PalDiffusion *d = loop->d;

  if (g_cancellable_set_error_if_cancelled (loop->cancellable, error))
    return FALSE;

  return loop->denoiser->denoise (loop->denoiser->data,
                                  &(PalDenoise) {
                                    .batch    = loop->batch,
                                    .width    = rect.width,
                                    .height   = rect.height,
                                    .x        = input,
                                    .timestep = pal_sampling_timestep (d->sampling, call),
                                    .tokens   = d->cond->tokens,
                                    .context  = loop->context,
                                    .vector   = loop->vector,
                                    .sizes    = loop->sizes,
                                    .guidance = d->guidance
                                  }, output, loop->cancellable, error);
}

static gboolean
denoise (Loop    *loop,
         gint     call,
         GError **error)
{
  gsize in    = (gsize) loop->denoiser->in_channels, l = (gsize) loop->denoiser->channels;
  guint count = pal_windows_count (&loop->windows);

  if (count == 1)
    return denoise_window (loop, pal_windows_nth (&loop->windows, 0), loop->input, loop->output,
                           call, error);

  for (guint i = 0; i < count; i++)
    {
      PalRect rect   = pal_windows_nth (&loop->windows, i);
      gsize   of_one = (gsize) rect.width * (gsize) rect.height;

      for (gsize b = 0; b < (gsize) loop->batch; b++)
        pal_window_cut (loop->input + b * loop->pixels * in, loop->d->width, rect, (gint) in,
                        loop->tile_in + b * of_one * in);

      if (! denoise_window (loop, rect, loop->tile_in, loop->tile_out, call, error))
        return FALSE;

      for (gsize b = 0; b < (gsize) loop->batch; b++)
        pal_blend_add (&loop->blends[b], rect, loop->tile_out + b * of_one * l);
    }

  for (gsize b = 0; b < (gsize) loop->batch; b++)
    pal_blend_finish (&loop->blends[b], loop->output + b * loop->n);

  return TRUE;
}

/* uncond + guidance (cond - uncond), where uncond of an editor is itself
 * nothing + image guidance (image - nothing) + .. (image - image). */
static gboolean
guide (Loop    *loop,
       gint     call,
       GError **error)
{
  const gfloat *cond  = loop->output + (gsize) (loop->batch - 1) * loop->n;
  const gfloat *with  = loop->batch > 1 ? cond - loop->n : NULL;
  gfloat        scale = (gfloat) loop->d->guidance;
  gfloat        image = (gfloat) loop->d->image_guidance;
  gboolean      fine  = TRUE;

  for (gsize i = 0; i < loop->n; i++)
    {
      gfloat value = cond[i];

      if (with)
        value = with[i] + scale * (value - with[i]);
      if (loop->batch == 3)
        value += (image - 1.0f) * (with[i] - loop->output[i]);
      loop->guided[i] = value;
      fine &= isfinite (value) != 0;
    }

  if (! fine)
    g_set_error (error, PAL_ERROR, PAL_ERROR_DEVICE,
                 "the model returned values that are not finite at step %d of %d; its weights may "
                 "be damaged, or too large for this device's arithmetic: try another device",
                 call + 1, pal_sampling_n_calls (loop->d->sampling));

  return fine;
}

static gboolean
draw (Loop    *loop,
      gfloat  *out,
      GError **error)
{
  const PalDiffusion *d = loop->d;

  return d->noise.draw (d->noise.data, out, d->width, d->height, (gint) loop->denoiser->channels,
                        error);
}

/* Puts the known part of the picture back, as noisy as the rest: all that will take part
 * in no more of the walk than what lies behind this call, to the nearest call. */
static void
hold_known (Loop   *loop,
            gint    call,
            gfloat *x)
{
  const PalDiffusion *d         = loop->d;
  const gfloat       *strengths = d->strengths ? d->strengths : d->mask;
  gsize               l         = (gsize) loop->denoiser->channels;
  gint                n_calls   = pal_sampling_n_calls (d->sampling);
  gfloat              left      = ((gfloat) (n_calls - 1 - call) + 0.5f) / (gfloat) n_calls;

  pal_sampling_renoise (d->sampling, call, d->image, loop->noise, loop->known, loop->n);

  for (gsize i = 0; i < loop->n; i++)
    if (strengths[i / l] < left)
      x[i] = loop->known[i];
}

/* A model that takes a mask answers for all of the picture itself. */
static gboolean
holds (const Loop *loop)
{
  const PalDiffusion *d = loop->d;

  return d->image &&
         (d->strengths || (d->mask && loop->denoiser->in_channels <= 2 * loop->denoiser->channels));
}

static gboolean
loop_call (Loop    *loop,
           gint     call,
           gfloat  *x,
           GError **error)
{
  const PalDiffusion *d     = loop->d;
  const gfloat       *fresh = NULL;

  fill_input (loop, x, call);
  if (! denoise (loop, call, error) || ! guide (loop, call, error) ||
      (d->recall && ! pal_recall_apply (d->recall, d->sampling, call, x, loop->guided,
                                        loop->cancellable, error)))
    return FALSE;

  if (d->preview)
    pal_preview_look (d->preview, pal_sampling_level (d->sampling, call), x, loop->guided);

  if (pal_sampling_wants_noise (d->sampling, call))
    {
      if (! draw (loop, loop->fresh, error))
        return FALSE;
      fresh = loop->fresh;
    }

  pal_sampling_step (d->sampling, call, loop->guided, fresh, x, loop->n);

  if (holds (loop))
    hold_known (loop, call, x);

  if (d->observe)
    d->observe (&(PalDiffusionStep) {
                  .call     = call,
                  .n_calls  = pal_sampling_n_calls (d->sampling),
                  .input    = loop->input,
                  .timestep = pal_sampling_timestep (d->sampling, call),
                  .output   = loop->output,
                  .batch    = loop->batch,
                  .latents  = x
                }, d->observe_data);

  return TRUE;
}

/* Puts what the prompts say at this call in the place of what they said before. */
static gboolean
tell (Loop          *loop,
      PalDiffusion  *d,
      gint           call,
      GError       **error)
{
  const PalCondition *cond = d->cond, *uncond = d->uncond;

  d->tell (d->tell_data, call, &d->cond, &d->uncond);

  return (cond == d->cond && uncond == d->uncond) || join_conditions (loop, error);
}

gboolean
pal_diffuse_with (const PalDenoiser   *denoiser,
                  const PalDiffusion  *diffusion,
                  gfloat              *latents,
                  GCancellable        *cancellable,
                  GError             **error)
{
  PalDiffusion  told    = *diffusion, *d = &told;
  g_auto (Loop) loop    = { .denoiser = denoiser, .d = d, .cancellable = cancellable };
  const gfloat *image   = d->pure_noise ? NULL : d->image;
  gint          n_calls = pal_sampling_n_calls (d->sampling);

  g_return_val_if_fail (denoiser->in_channels == denoiser->channels || d->masked_image, FALSE);
  g_return_val_if_fail (d->width > 0 && d->height > 0, FALSE);

  if (! loop_init (&loop, error) || ! draw (&loop, loop.noise, error))
    return FALSE;

  pal_sampling_start (d->sampling, image, loop.noise, latents, loop.n);

  for (gint call = 0; call < n_calls; call++)
    if ((d->tell && ! tell (&loop, d, call, error)) ||
        ! loop_call (&loop, call, latents, error))
      return FALSE;

  return TRUE;
}

static gboolean
denoise_by_model (gpointer           data,
                  const PalDenoise  *call,
                  gfloat            *out,
                  GCancellable      *cancellable,
                  GError           **error)
{
  return pal_model_denoise (data, call, out, cancellable, error);
}

gboolean
pal_diffuse (PalModel            *model,
             const PalDiffusion  *diffusion,
             gfloat              *latents,
             GCancellable        *cancellable,
             GError             **error)
{
  const PalUnetConfig *unet = pal_model_unet (model);

  return pal_diffuse_with (&(PalDenoiser) {
                             .in_channels = unet->in_channels,
                             .channels    = unet->out_channels,
                             .denoise     = denoise_by_model,
                             .data        = model
                           }, diffusion, latents, cancellable, error);
}

/* The reference draws planes, [L, h, w]. */
static gboolean
draw_from_random (gpointer   data,
                  gfloat    *out,
                  gint       width,
                  gint       height,
                  gint       channels,
                  GError   **error)
{
  gsize              pixels = (gsize) width * (gsize) height, l = (gsize) channels;
  g_autofree gfloat *planes = NULL;

  if (! pal_floats_new (&planes, pixels * l, error))
    return FALSE;

  pal_random_normal (data, planes, pixels * l);

  for (gsize c = 0; c < l; c++)
    for (gsize i = 0; i < pixels; i++)
      out[i * l + c] = planes[c * pixels + i];

  return TRUE;
}

PalNoise
pal_noise_from_random (gpointer random)
{
  return (PalNoise) { draw_from_random, random };
}
