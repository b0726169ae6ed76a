/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Cumulative noise of the training schedule.
 *
 * Papers: arXiv 2006.11239 (linear), 2102.09672 eq. 17 (cosine), 2305.08891
 * algorithm 1 (zero terminal SNR). Reference: huggingface/diffusers
 * src/diffusers/schedulers/scheduling_{ddim,utils}.py @58eb52c, Apache-2.0.
 * Easy to get wrong, guarded by tests/unit/sample: the betas are float32 and the
 * product is accumulated in double and rounded at each entry; near timestep 0
 * 1 - alpha loses four digits, so a table in double gives other images. */

#include "sample/solver.h"

#include <math.h>

#define COSINE_MAX_BETA 0.999

/* torch.linspace in float32: counted from both ends. */
static void
linspace (gdouble  first,
          gdouble  last,
          gfloat  *out,
          gint     n)
{
  gfloat start = (gfloat) first, end = (gfloat) last;
  gfloat step  = n > 1 ? (end - start) / (gfloat) (n - 1) : 0.0f;

  for (gint i = 0; i < n; i++)
    out[i] = i < n / 2 || n == 1 ? start + step * (gfloat) i
                                 : end - step * (gfloat) (n - 1 - i);
}

static gdouble
cosine_alpha (gdouble t)
{
  gdouble c = cos ((t + 0.008) / 1.008 * G_PI / 2.0);

  return c * c;
}

static void
fill_betas (const PalScheduleConfig *config,
            gfloat                  *betas)
{
  gint n = config->train_timesteps;

  if (config->betas == PAL_BETAS_COSINE)
    {
      for (gint i = 0; i < n; i++)
        {
          gdouble ratio = cosine_alpha ((i + 1.0) / n) / cosine_alpha ((gdouble) i / n);

          betas[i] = (gfloat) MIN (1.0 - ratio, COSINE_MAX_BETA);
        }
    }
  else if (config->betas == PAL_BETAS_SCALED_LINEAR)
    {
      linspace (sqrt (config->beta_start), sqrt (config->beta_end), betas, n);
      for (gint i = 0; i < n; i++)
        betas[i] *= betas[i];
    }
  else
    {
      linspace (config->beta_start, config->beta_end, betas, n);
    }
}

static gboolean
read_trained_betas (const PalScheduleConfig *config,
                    gfloat                  *betas,
                    gboolean                *found,
                    GError                 **error)
{
  g_autofree gdouble *values = NULL;
  guint               n      = 0;

  *found = config->json && pal_json_has (config->json, "trained_betas");
  if (! *found)
    return TRUE;

  values = g_new (gdouble, config->train_timesteps);
  if (! pal_json_doubles (config->json, "trained_betas", values,
                          (guint) config->train_timesteps, &n, error))
    return FALSE;

  if (n != (guint) config->train_timesteps)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
                   "%s: trained_betas has %u values, num_train_timesteps says %d",
                   pal_json_label (config->json), n, config->train_timesteps);
      return FALSE;
    }

  for (guint i = 0; i < n; i++)
    betas[i] = (gfloat) values[i];

  return TRUE;
}

static void
cumulate (const gfloat *betas,
          gfloat       *alphas,
          gint          n)
{
  gdouble product = 1.0;

  for (gint i = 0; i < n; i++)
    {
      product  *= (gdouble) (1.0f - betas[i]);
      alphas[i] = (gfloat) product;
    }
}

/* Shifts and scales sqrt (alpha) so that the last timestep is noise alone. */
static void
rescale_zero_snr (gfloat *betas,
                  gfloat *scratch,
                  gint    n)
{
  gfloat first, last, before = 1.0f;

  cumulate (betas, scratch, n);
  first = sqrtf (scratch[0]);
  last  = sqrtf (scratch[n - 1]);

  for (gint i = 0; i < n; i++)
    {
      gfloat root  = (sqrtf (scratch[i]) - last) * (first / (first - last));
      gfloat alpha = root * root;

      betas[i] = 1.0f - (i > 0 ? alpha / before : alpha);
      before   = alpha;
    }
}

gfloat *
pal_alphas_new (const PalScheduleConfig *config,
                gboolean                 zero_snr_ends_finite,
                GError                 **error)
{
  gint               n       = config->train_timesteps;
  g_autofree gfloat *betas   = g_new (gfloat, n);
  g_autofree gfloat *alphas  = g_new (gfloat, n);
  gboolean           trained = FALSE;

  if (! read_trained_betas (config, betas, &trained, error))
    return NULL;

  if (! trained)
    fill_betas (config, betas);
  if (config->zero_snr)
    rescale_zero_snr (betas, alphas, n);

  cumulate (betas, alphas, n);

  /* A sigma of infinity can't be stepped from: the reference puts 2^-24 there. */
  if (config->zero_snr && zero_snr_ends_finite)
    alphas[n - 1] = 0x1p-24f;

  for (gint i = 0; i < n; i++)
    if (! (alphas[i] >= 0.0f && alphas[i] < 1.0f))
      {
        g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
                     "the noise schedule is not between 0 and 1 at timestep %d: "
                     "check beta_start, beta_end and trained_betas", i);
        return NULL;
      }

  return g_steal_pointer (&alphas);
}

gboolean
pal_prepare_alphas (PalSampling  *s,
                    GError      **error)
{
  if (! pal_config_refuse (s, "thresholding", error))
    return FALSE;

  s->alphas = pal_alphas_new (&s->config, FALSE, error);
  if (! s->alphas)
    return FALSE;

  s->final_alpha = s->config.set_alpha_to_one ? 1.0 : (gdouble) s->alphas[0];

  return TRUE;
}
