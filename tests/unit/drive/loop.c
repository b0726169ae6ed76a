/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The diffusion loop with a made-up denoiser: batch order, guidance, held region,
 * inputs of a model with mask, windows, noise, cancelling, failures. */

#include <math.h>
#include <string.h>

#include "base/debug.h"
#include "base/random.h"
#include "drive/diffusion.h"

#define W 12
#define H 10
#define L 2
#define N (W * H * L)
#define STEPS 6

#define COND   0.5f
#define UNCOND 0.2f

typedef struct
{
  PalDenoiser   denoiser;
  gint          calls, nan_at;
  gboolean      with_mask, pointwise, with_vector;
  GCancellable *cancel;
  gint          cancel_at;
  gint          widest;
} Fake;

/* Predicts the clean picture: a constant by prompt, or for pointwise some function of
 * the input. The context's first number tells the prompts apart, or the vector's second. */
static gboolean
denoise (gpointer           data,
         const PalDenoise  *call,
         gfloat            *out,
         GCancellable      *cancellable,
         GError           **error)
{
  Fake *fake   = data;
  gsize in     = (gsize) fake->denoiser.in_channels;
  gsize pixels = (gsize) (call->width * call->height);

  g_assert_cmpint (call->tokens, ==, 3);
  g_assert_true ((call->vector != NULL) == fake->with_vector);
  fake->widest = MAX (fake->widest, call->width);
  for (gsize i = 0; i < (gsize) call->batch * pixels; i++)
    for (gsize c = 0; c < L; c++)
      {
        const gfloat *from = call->x + i * in;

        out[i * L + c] = fake->with_vector ? call->vector[i / pixels * 2 + 1]
                                           : call->context[i / pixels * 3];
        if (fake->pointwise)
          out[i * L + c] = sinf (3.0f * from[c]) * 0.5f;
        if (fake->with_mask)
          {
            g_assert_true (from[L] == 0.0f || from[L] == 1.0f);
            g_assert_cmpfloat (from[L + 1 + c], ==, 7.0f + (gfloat) c);
          }
      }

  if (++fake->calls == fake->nan_at)
    out[5] = NAN;
  if (fake->calls == fake->cancel_at)
    g_cancellable_cancel (fake->cancel);

  return TRUE;
}

static PalSampling *
new_sampling (gdouble strength)
{
  g_autoptr (PalJson) json = pal_json_parse ("{ \"prediction_type\": \"sample\", "
                                             "\"clip_sample\": false }", -1, "test", NULL);
  PalScheduleConfig   config;
  PalSampling        *s;

  g_assert_true (pal_schedule_config_read (json, &config, NULL));
  s = pal_sampling_new (&(PalSamplingSetup) {
                          .sampler = pal_sampler_find ("ddim", NULL), .steps = STEPS,
                          .strength = strength
                        }, &config, NULL);
  g_assert_nonnull (s);
  pal_schedule_config_clear (&config);

  return s;
}

typedef struct
{
  Fake         fake;
  PalDiffusion d;
  PalCondition cond, uncond;
  gfloat       states[2][3];
  gfloat       image[N], mask[W * H], masked[N], out[N];
  gint         held[N];       /* calls */
} Setup;

static void
setup_init (Setup       *s,
            PalSampling *sampling,
            PalRandom   *random)
{
  *s = (Setup) {
    .fake   = { .denoiser = { L, L, denoise, &s->fake } },
    .states = { { COND, 0.0f, 0.0f }, { UNCOND, 0.0f, 0.0f } }
  };
  s->cond   = (PalCondition) { .tokens = 3, .channels = 1, .states = s->states[0] };
  s->uncond = (PalCondition) { .tokens = 3, .channels = 1, .states = s->states[1] };
  s->d      = (PalDiffusion) { .width = W, .height = H, .cond = &s->cond, .guidance = 1.0,
                               .sampling = sampling, .noise = pal_noise_from_random (random) };

  for (gsize i = 0; i < N; i++)
    {
      s->image[i]  = (gfloat) i / N;
      s->masked[i] = 7.0f + (gfloat) (i % L);
    }
  for (gsize i = 0; i < W * H; i++)
    s->mask[i] = i % W < W / 2 ? 0.0f : 1.0f;
}

static gboolean
go (Setup   *s,
    GError **error)
{
  return pal_diffuse_with (&s->fake.denoiser, &s->d, s->out, s->fake.cancel, error);
}

static void
test_guidance (void)
{
  g_autoptr (PalSampling) sampling = new_sampling (1.0);
  g_autoptr (PalRandom)   random   = pal_random_new (PAL_RANDOM_TORCH, 1);
  Setup                   s;

  setup_init (&s, sampling, random);
  s.d.uncond   = &s.uncond;
  s.d.guidance = 3.0;
  g_assert_true (go (&s, NULL));
  for (gsize i = 0; i < N; i++)
    g_assert_cmpfloat_with_epsilon (s.out[i], UNCOND + 3.0f * (COND - UNCOND), 1e-5f);
  g_assert_cmpint (s.fake.calls, ==, STEPS);
}

typedef struct
{
  PalCondition cond, uncond;
  gint         calls;
} Told;

/* From the last call on, other prompts. */
static void
tell_at_last (gpointer             data,
              gint                 call,
              const PalCondition **cond,
              const PalCondition **uncond)
{
  Told *told = data;

  g_assert_cmpint (call, ==, told->calls++);
  if (call < STEPS - 1)
    return;

  *cond   = &told->cond;
  *uncond = &told->uncond;
}

static void
test_changing_prompt (void)
{
  g_autoptr (PalSampling) sampling = new_sampling (1.0);
  g_autoptr (PalRandom)   random   = pal_random_new (PAL_RANDOM_TORCH, 1);
  gfloat                  late[2][3] = { { 0.9f }, { 0.6f } };
  Told                    told     = { { .tokens = 3, .channels = 1, .states = late[0] },
                                       { .tokens = 3, .channels = 1, .states = late[1] }, 0 };
  Setup                   s;

  setup_init (&s, sampling, random);
  s.d.uncond    = &s.uncond;
  s.d.guidance  = 3.0;
  s.d.tell      = tell_at_last;
  s.d.tell_data = &told;
  g_assert_true (go (&s, NULL));
  g_assert_cmpint (told.calls, ==, STEPS);
  for (gsize i = 0; i < N; i++)
    g_assert_cmpfloat_with_epsilon (s.out[i], 0.6f + 3.0f * 0.3f, 1e-5f);
}

/* Each prompt brings its own vector, in the order of the contexts. */
static void
test_vectors (void)
{
  for (gint guided = 0; guided < 2; guided++)
    {
      g_autoptr (PalSampling) sampling   = new_sampling (1.0);
      g_autoptr (PalRandom)   random     = pal_random_new (PAL_RANDOM_TORCH, 1);
      gfloat                  vectors[2][2] = { { 9.0f, COND }, { 9.0f, UNCOND } };
      Setup                   s;

      setup_init (&s, sampling, random);
      s.fake.with_vector       = TRUE;
      s.cond.vector_channels   = 2;
      s.cond.vector            = vectors[0];
      s.uncond.vector_channels = 2;
      s.uncond.vector          = vectors[1];
      s.states[0][0]           = 7.0f;
      s.d.uncond               = guided ? &s.uncond : NULL;
      s.d.guidance             = 3.0;
      g_assert_true (go (&s, NULL));
      for (gsize i = 0; i < N; i++)
        g_assert_cmpfloat_with_epsilon (s.out[i],
                                        guided ? UNCOND + 3.0f * (COND - UNCOND) : COND, 1e-5f);
    }
}

static void
test_held_region (void)
{
  for (gint part = 0; part < 2; part++)
    {
      g_autoptr (PalSampling) sampling = new_sampling (part ? 0.5 : 1.0);
      g_autoptr (PalRandom)   random   = pal_random_new (PAL_RANDOM_TORCH, 1);
      Setup                   s;

      setup_init (&s, sampling, random);
      s.d.image      = s.image;
      s.d.mask       = s.mask;
      s.d.pure_noise = ! part;
      g_assert_true (go (&s, NULL));
      for (gsize i = 0; i < N; i++)
        if (s.mask[i / L] == 0.0f)
          g_assert_cmpfloat (s.out[i], ==, s.image[i]);
        else
          g_assert_cmpfloat_with_epsilon (s.out[i], COND, 1e-5f);
      g_assert_cmpint (s.fake.calls, ==, part ? STEPS / 2 : STEPS);
    }
}

/* Draws the same each time. */
static gboolean
draw_sines (gpointer   data,
            gfloat    *out,
            gint       width,
            gint       height,
            gint       channels,
            GError   **error)
{
  for (gint i = 0; i < width * height * channels; i++)
    out[i] = sinf ((gfloat) i);

  return TRUE;
}

/* For each latent, how many calls it was put back after. */
static void
count_held (const PalDiffusionStep *step,
            gpointer                data)
{
  Setup *s = data;
  gfloat noise[N], known[N];

  draw_sines (NULL, noise, W, H, L, NULL);
  pal_sampling_renoise (s->d.sampling, step->call, s->image, noise, known, N);
  for (gsize i = 0; i < N; i++)
    s->held[i] += step->latents[i] == known[i];
}

/* A latent joins the walk where its own strength says, whether the model takes a mask or
 * not; and is told the mask as it is. */
static void
test_strengths (void)
{
  static const gfloat strengths[] = { 0.0f, 0.05f, 0.2f, 0.5f, 0.7f, 1.0f };
  static const gint   held[]      = { STEPS, STEPS, STEPS - 1, STEPS / 2, 2, 0 };

  for (gint takes = 0; takes < 2; takes++)
    {
      g_autoptr (PalSampling) sampling = new_sampling (1.0);
      Setup                   s;
      gfloat                  each[W * H];

      setup_init (&s, sampling, NULL);
      if (takes)
        {
          s.fake.denoiser.in_channels = 2 * L + 1;
          s.fake.with_mask            = TRUE;
          s.d.masked_image            = s.masked;
        }
      for (gsize i = 0; i < W * H; i++)
        each[i] = strengths[i % G_N_ELEMENTS (strengths)];
      s.d.image        = s.image;
      s.d.mask         = s.mask;
      s.d.strengths    = each;
      s.d.noise        = (PalNoise) { draw_sines, NULL };
      s.d.observe      = count_held;
      s.d.observe_data = &s;
      g_assert_true (go (&s, NULL));

      for (gsize i = 0; i < N; i++)
        {
          gsize k = i / L % G_N_ELEMENTS (strengths);

          g_assert_cmpint (s.held[i], ==, held[k]);
          if (held[k] == STEPS)
            g_assert_cmpfloat (s.out[i], ==, s.image[i]);
          else
            g_assert_cmpfloat_with_epsilon (s.out[i], COND, 1e-5f);
        }
    }
}

/* Predicts 1 for the prompt, 10 for the picture, 100 for either of them at all. */
static gboolean
denoise_edit (gpointer           data,
              const PalDenoise  *call,
              gfloat            *out,
              GCancellable      *cancellable,
              GError           **error)
{
  gsize pixels = (gsize) (call->width * call->height);

  g_assert_cmpint (call->batch, ==, 3);
  for (gsize i = 0; i < (gsize) call->batch * pixels * L; i++)
    {
      gfloat shown = call->x[i / L * 2 * L + L + i % L];

      g_assert_true (shown == 0.0f || shown == 7.0f + (gfloat) (i % L));
      out[i] = 100.0f + (shown == 0.0f ? 0.0f : 10.0f) +
               (call->context[i / L / pixels * 3] == COND ? 1.0f : 0.0f);
    }

  return TRUE;
}

/* Guidance towards the picture and towards the prompt, from neither. */
static void
test_edit (void)
{
  g_autoptr (PalSampling) sampling = new_sampling (1.0);
  g_autoptr (PalRandom)   random   = pal_random_new (PAL_RANDOM_TORCH, 1);
  Setup                   s;

  setup_init (&s, sampling, random);
  s.fake.denoiser    = (PalDenoiser) { 2 * L, L, denoise_edit, &s.fake };
  s.d.masked_image   = s.masked;
  s.d.uncond         = &s.uncond;
  s.d.guidance       = 4.0;
  s.d.image_guidance = 1.5;
  g_assert_true (go (&s, NULL));
  for (gsize i = 0; i < N; i++)
    g_assert_cmpfloat_with_epsilon (s.out[i], 100.0f + 1.5f * 10.0f + 4.0f, 1e-3f);
}

/* The sizes go with their prompts. */
static gboolean
denoise_sizes (gpointer           data,
               const PalDenoise  *call,
               gfloat            *out,
               GCancellable      *cancellable,
               GError           **error)
{
  gsize n = (gsize) (call->width * call->height) * L;

  g_assert_cmpfloat (call->guidance, ==, 2.0);
  for (gsize i = 0; i < (gsize) call->batch * n; i++)
    out[i] = call->sizes[i / n * 5] + call->sizes[i / n * 5 + 4];

  return TRUE;
}

static void
test_sizes (void)
{
  g_autoptr (PalSampling) sampling = new_sampling (1.0);
  g_autoptr (PalRandom)   random   = pal_random_new (PAL_RANDOM_TORCH, 1);
  PalPlacement            place    = { .original_height = 30, .width = 99 };
  Setup                   s;

  setup_init (&s, sampling, random);
  s.fake.denoiser.denoise = denoise_sizes;
  s.cond.n_sizes = s.uncond.n_sizes = 5;
  pal_condition_place (&s.cond, &place, FALSE);
  pal_condition_place (&s.uncond, &place, TRUE);
  s.d.uncond   = &s.uncond;
  s.d.guidance = 2.0;
  g_assert_true (go (&s, NULL));

  /* Scores of 6 and 2.5. */
  for (gsize i = 0; i < N; i++)
    g_assert_cmpfloat_with_epsilon (s.out[i], 32.5f + 2.0f * 3.5f, 1e-3f);
}

static void
test_mask_input (void)
{
  g_autoptr (PalSampling) sampling = new_sampling (1.0);
  g_autoptr (PalRandom)   random   = pal_random_new (PAL_RANDOM_TORCH, 1);
  Setup                   s;

  setup_init (&s, sampling, random);
  s.fake.denoiser.in_channels = 2 * L + 1;
  s.fake.with_mask            = TRUE;
  s.d.mask                    = s.mask;
  s.d.masked_image            = s.masked;
  g_assert_true (go (&s, NULL));

  /* The model answers for all of it: nothing is put back. */
  for (gsize i = 0; i < N; i++)
    g_assert_cmpfloat_with_epsilon (s.out[i], COND, 1e-5f);
}

/* A denoiser that looks at one pixel at a time gives the same in windows. */
static void
test_windows (void)
{
  gfloat whole[N];

  for (gint window = 0; window < 8; window += 7)
    {
      g_autoptr (PalSampling) sampling = new_sampling (1.0);
      g_autoptr (PalRandom)   random   = pal_random_new (PAL_RANDOM_TORCH, 1);
      Setup                   s;

      setup_init (&s, sampling, random);
      s.fake.pointwise = TRUE;
      s.d.uncond       = &s.uncond;
      s.d.guidance     = 2.0;
      s.d.window       = window;
      s.d.overlap      = window / 3;
      g_assert_true (go (&s, NULL));
      g_assert_cmpint (s.fake.widest, ==, window ? window : W);

      if (! window)
        memcpy (whole, s.out, sizeof whole);
      for (gsize i = 0; i < N; i++)
        g_assert_cmpfloat_with_epsilon (s.out[i], whole[i], 1e-4f);
    }
}

static void
test_repeatable (void)
{
  gfloat first[N];

  for (gint i = 0; i < 3; i++)
    {
      g_autoptr (PalSampling) sampling = new_sampling (1.0);
      g_autoptr (PalRandom)   random   = pal_random_new (PAL_RANDOM_TORCH, i < 2 ? 1 : 2);
      Setup                   s;

      setup_init (&s, sampling, random);
      s.fake.pointwise = TRUE;
      g_assert_true (go (&s, NULL));
      if (i == 0)
        memcpy (first, s.out, sizeof first);
      g_assert_cmpint (memcmp (first, s.out, sizeof first) == 0, ==, i < 2);
    }
}

static void
test_cancel (void)
{
  g_autoptr (PalSampling)  sampling = new_sampling (1.0);
  g_autoptr (PalRandom)    random   = pal_random_new (PAL_RANDOM_TORCH, 1);
  g_autoptr (GCancellable) cancel   = g_cancellable_new ();
  g_autoptr (GError)       error    = NULL;
  Setup                    s;

  setup_init (&s, sampling, random);
  s.fake.cancel    = cancel;
  s.fake.cancel_at = 2;
  g_assert_false (go (&s, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (s.fake.calls, ==, 2);
}

static void
test_not_finite (void)
{
  g_autoptr (PalSampling) sampling = new_sampling (1.0);
  g_autoptr (PalRandom)   random   = pal_random_new (PAL_RANDOM_TORCH, 1);
  g_autoptr (GError)      error    = NULL;
  Setup                   s;

  setup_init (&s, sampling, random);
  s.fake.nan_at = 3;
  g_assert_false (go (&s, &error));
  g_assert_error (error, PAL_ERROR, PAL_ERROR_DEVICE);
  g_assert_nonnull (strstr (error->message, "not finite at step 3 of 6"));
}

static void
test_no_memory (void)
{
  guint failures = 0;

  for (guint n = 1; n < 60; n++)
    {
      g_autoptr (PalSampling) sampling = new_sampling (1.0);
      g_autoptr (PalRandom)   random   = pal_random_new (PAL_RANDOM_TORCH, 1);
      g_autoptr (GError)      error    = NULL;
      Setup                   s;
      gboolean                ok;

      setup_init (&s, sampling, random);
      s.d.uncond = &s.uncond;
      s.d.window = 5;
      pal_fault_arm (PAL_FAULT_ALLOC, n);
      ok = go (&s, &error);
      pal_fault_arm (PAL_FAULT_ALLOC, 0);
      if (ok)
        continue;

      g_assert_error (error, PAL_ERROR, PAL_ERROR_MEMORY);
      failures++;
    }

  g_assert_cmpuint (failures, >=, 10);
}

/* The reference draws planes. */
static void
test_noise_order (void)
{
  g_autoptr (PalRandom) a = pal_random_new (PAL_RANDOM_TORCH, 3);
  g_autoptr (PalRandom) b = pal_random_new (PAL_RANDOM_TORCH, 3);
  PalNoise              noise = pal_noise_from_random (b);
  gfloat                planes[N], pixels[N];

  pal_random_normal (a, planes, N);
  g_assert_true (noise.draw (noise.data, pixels, W, H, L, NULL));
  for (gsize i = 0; i < W * H; i++)
    for (gsize c = 0; c < L; c++)
      g_assert_cmpfloat (pixels[i * L + c], ==, planes[c * W * H + i]);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/loop/guidance", test_guidance);
  g_test_add_func ("/loop/changing-prompt", test_changing_prompt);
  g_test_add_func ("/loop/vectors", test_vectors);
  g_test_add_func ("/loop/held-region", test_held_region);
  g_test_add_func ("/loop/mask-input", test_mask_input);
  g_test_add_func ("/loop/strengths", test_strengths);
  g_test_add_func ("/loop/edit", test_edit);
  g_test_add_func ("/loop/sizes", test_sizes);
  g_test_add_func ("/loop/windows", test_windows);
  g_test_add_func ("/loop/repeatable", test_repeatable);
  g_test_add_func ("/loop/cancel", test_cancel);
  g_test_add_func ("/loop/not-finite", test_not_finite);
  g_test_add_func ("/loop/no-memory", test_no_memory);
  g_test_add_func ("/loop/noise-order", test_noise_order);

  return g_test_run ();
}
