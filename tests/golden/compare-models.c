/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Compares two models: each weight of the first must be in the second, equal or as near as the
 * second's element type allows; and both must paint alike.
 *
 *   compare-models weights A B    every weight of the folder A within half a step of B's type
 *   compare-models configs A B    what B's shapes tell, against the configurations of A
 *   compare-models run A B        the same pixels of a fill and a restyle, bit for bit
 *
 * A and B: folders or files. Exit status 0 when they agree, 2 without a device. */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/dtype.h"
#include "family/family.h"
#include "family/source.h"
#include "pal.h"

/* What a value may be off by, as a share of the largest of its block's 32 or 256 values. With
 * b bits: half a step of the range from -max to max is max / (2^b - 1); the clipped end of
 * the symmetric types doubles it to 2 max / 2^b; and in the 256-value blocks the scales (with
 * steps of 1/63 or 1/127) and the minima are rounded too. */
static const struct
{
  PalDType dtype;
  gdouble  share;
} bounds[] = {
  { PAL_F32, 0.0 },
  { PAL_F16, 0.0 },
  { PAL_BF16, 0x1p-8 },
  { PAL_F8_E4M3, 0x1p-4 },
  { PAL_F8_E5M2, 0x1p-3 },
  { PAL_Q8_0, 1.0 / 254 + 0x1p-10 },
  { PAL_Q4_0, 1.0 / 8 + 0x1p-10 },
  { PAL_Q4_1, 1.0 / 15 + 0x1p-10 },
  { PAL_Q5_0, 1.0 / 16 + 0x1p-10 },
  { PAL_Q5_1, 1.0 / 31 + 0x1p-10 },
  { PAL_Q4_K, 1.0 / 15 + 3.0 / 126 + 0x1p-10 },
  { PAL_Q5_K, 1.0 / 31 + 3.0 / 126 + 0x1p-10 },
  { PAL_Q6_K, 0.5 / 31 + 32.0 / 31 / 254 + 0x1p-10 },
};

static gfloat *
values_of (const PalWeightView *view, gsize *n)
{
  g_autofree gfloat *stored = NULL;
  gfloat *out;
  gsize rows, columns;

  pal_shape_count (view->shape, n);
  stored = g_new (gfloat, *n);
  pal_to_float (view->dtype, view->data, stored, *n);
  if (! view->transposed)
    return g_steal_pointer (&stored);

  out = g_new (gfloat, *n);
  rows = (gsize) view->shape.d[0];
  columns = (gsize) view->shape.d[1];
  for (gsize i = 0; i < *n; i++)
    out[i] = stored[i % columns * rows + i / columns];
  return out;
}

static gdouble
bound_of (PalDType dtype)
{
  for (gsize i = 0; i < G_N_ELEMENTS (bounds); i++)
    if (bounds[i].dtype == dtype)
      return bounds[i].share;

  return 0.0;
}

static gboolean
weight_agrees (const PalWeightView *a, const PalWeightView *b)
{
  gsize n_a = 0, n_b = 0, block = MAX (pal_dtype_block (b->dtype), 32);
  g_autofree gfloat *x = values_of (a, &n_a);
  g_autofree gfloat *y = values_of (b, &n_b);

  if (n_a != n_b || a->shape.d[0] != b->shape.d[0])
    return FALSE;

  for (gsize start = 0; start < n_a; start += block)
    {
      gsize end = MIN (start + block, n_a);
      gdouble largest = 0.0;

      for (gsize i = start; i < end; i++)
        largest = MAX (largest, fabs ((gdouble) x[i]));
      for (gsize i = start; i < end; i++)
        if (fabs ((gdouble) x[i] - (gdouble) y[i]) > bound_of (b->dtype) * largest + 1e-9)
          {
            printf ("%s[%zu] is %g and should be %g, the largest of its block being %g\n", b->name,
                    (size_t) i, (gdouble) y[i], (gdouble) x[i], largest);
            return FALSE;
          }
    }

  return TRUE;
}

/* Files may leave "text_model." out. */
static const PalWeightView *
find (PalWeights *weights, const gchar *name)
{
  const PalWeightView *view = pal_weights_find (weights, name);
  g_autofree gchar *longer = g_strconcat ("text_model.", name, NULL);

  return view ? view : pal_weights_find (weights, longer);
}

static gint
compare_part (PalWeights *a, PalWeights *b, gint *n)
{
  gint bad = 0;

  for (gsize i = 0; i < pal_weights_count (a); i++)
    {
      const PalWeightView *view = pal_weights_at (a, i);
      const PalWeightView *other = find (b, view->name);

      /* Token numbers, which nothing reads and not every file has. */
      if (g_str_has_suffix (view->name, "position_ids"))
        continue;

      *n += 1;
      if (! other)
        printf ("%s is missing\n", view->name);
      bad += ! other || ! weight_agrees (view, other);
    }

  return bad;
}

/* a: a folder, whose parts count */
static gint
compare_weights (const gchar *path_a, const gchar *path_b, GError **error)
{
  static const struct
  {
    const gchar *folder, *stem;
  } parts[] = {
    { "unet", "diffusion_pytorch_model" },
    { "vae", "diffusion_pytorch_model" },
    { "text_encoder", "model" },
    { "text_encoder_2", "model" },
  };
  g_autoptr (PalSource) a = pal_source_open (path_a, error);
  g_autoptr (PalSource) b = a ? pal_source_open (path_b, error) : NULL;
  gint n = 0, bad = 0;

  for (gsize i = 0; b && i < G_N_ELEMENTS (parts); i++)
    {
      g_autofree gchar *folder = g_build_filename (path_a, parts[i].folder, NULL);
      g_autoptr (PalWeights) one = NULL, two = NULL;

      if (! g_file_test (folder, G_FILE_TEST_IS_DIR))
        continue;

      one = pal_source_weights (a, parts[i].folder, parts[i].stem, error);
      two = one ? pal_source_weights (b, parts[i].folder, parts[i].stem, error) : NULL;
      if (! two)
        return 1;
      bad += compare_part (one, two, &n);
    }

  printf ("%d weights, %d differ\n", n, bad);
  return n == 0 || bad > 0;
}

/* Prints the two values when they differ. */
static gint
differs (const gchar *what, gint64 a, gint64 b)
{
  if (a != b)
    printf ("%s is %" G_GINT64_FORMAT " and should be %" G_GINT64_FORMAT "\n", what, b, a);

  return a != b;
}

/* All that shapes tell of such small models: not heads and groups. */
static gint
compare_unet (const PalJson *json_a, const PalJson *json_b, GError **error)
{
  PalUnetConfig a, b;
  gint bad = 0;

  if (! pal_unet_config_read (json_a, &a, error) || ! pal_unet_config_read (json_b, &b, error))
    return 1;

  bad += differs ("levels", a.n_levels, b.n_levels);
  for (guint i = 0; i < MIN (a.n_levels, b.n_levels); i++)
    {
      bad += differs ("channels", a.levels[i].channels, b.levels[i].channels);
      bad += differs ("attention", a.levels[i].attention, b.levels[i].attention);
      bad += differs ("up_attention", a.levels[i].up_attention, b.levels[i].up_attention);
      bad += differs ("layers", a.levels[i].layers, b.levels[i].layers);
      bad += differs ("transformer_layers", a.levels[i].transformer_layers,
                      b.levels[i].transformer_layers);
    }

  return bad + differs ("in_channels", a.in_channels, b.in_channels) +
         differs ("out_channels", a.out_channels, b.out_channels) +
         differs ("cross_channels", a.cross_channels, b.cross_channels) +
         differs ("mid_resnets", a.mid_resnets, b.mid_resnets) +
         differs ("mid_attention", a.mid_attention, b.mid_attention);
}

static gint
compare_vae (const PalJson *json_a, const PalJson *json_b, GError **error)
{
  PalVaeConfig a, b;
  gint bad = 0;

  if (! pal_vae_config_read (json_a, &a, error) || ! pal_vae_config_read (json_b, &b, error))
    return 1;

  for (guint i = 0; i < PAL_VAE_MAX_LEVELS; i++)
    bad += differs ("codec's channels", a.channels[i], b.channels[i]);

  return bad + differs ("codec", a.kind, b.kind) +
         differs ("latent_channels", a.latent_channels, b.latent_channels) +
         differs ("layers_per_block", a.layers_per_block, b.layers_per_block) +
         differs ("codec's attention", a.mid_attention, b.mid_attention) +
         differs ("quant_conv", a.quant_conv, b.quant_conv) +
         differs ("post_quant_conv", a.post_quant_conv, b.post_quant_conv) +
         differs ("scaling_factor", (gint64) (a.scaling_factor * 1e6f),
                  (gint64) (b.scaling_factor * 1e6f));
}

static gint
compare_clip (const PalJson *json_a, const PalJson *json_b, GError **error)
{
  PalClipConfig a, b;

  if (! pal_clip_config_read (json_a, &a, error) || ! pal_clip_config_read (json_b, &b, error))
    return 1;

  return differs ("text width", a.width, b.width) + differs ("ff_width", a.ff_width, b.ff_width) +
         differs ("vocab", a.vocab, b.vocab) + differs ("positions", a.positions, b.positions) +
         differs ("text layers", a.layers, b.layers) + differs ("activation", a.act, b.act) +
         differs ("end", a.eos_id, b.eos_id);
}

static gint
compare_configs (const gchar *path_a, const gchar *path_b, GError **error)
{
  static const struct
  {
    const gchar *folder;
    gint       (*compare) (const PalJson *a, const PalJson *b, GError **error);
  } parts[] = {
    { "unet", compare_unet },
    { "vae", compare_vae },
    { "text_encoder", compare_clip },
    { "text_encoder_2", compare_clip },
  };
  g_autoptr (PalSource) a = pal_source_open (path_a, error);
  g_autoptr (PalSource) b = a ? pal_source_open (path_b, error) : NULL;
  gint bad = b ? 0 : 1;

  for (gsize i = 0; b && i < G_N_ELEMENTS (parts) && ! *error; i++)
    {
      g_autofree gchar *folder = g_build_filename (path_a, parts[i].folder, NULL);
      g_autoptr (PalJson) one = NULL, two = NULL;

      if (! g_file_test (folder, G_FILE_TEST_IS_DIR))
        continue;

      one = pal_source_config (a, parts[i].folder, "config.json", error);
      two = one ? pal_source_config (b, parts[i].folder, "config.json", error) : NULL;
      bad += two ? parts[i].compare (one, two, error) : 1;
    }

  return bad > 0 || *error;
}

static PalImage *
paint (PalDevice *device, const gchar *path, PalIntent intent, GError **error)
{
  g_autoptr (PalModel) model = pal_model_open (device, path, error);
  g_autoptr (PalImage) source = pal_image_new (64, 64, 3);
  PalRequest request = { .intent = intent, .prompt = "a cat in the sun", .source = source,
                         .strength = 0.7, .steps = 2, .seed = 5 };

  for (gint i = 0; i < 64 * 64 * 3; i++)
    source->data[i] = (gfloat) (i % 97) / 97.0f;

  return model ? pal_generate (model, &request, NULL, NULL, NULL, NULL, error) : NULL;
}

static gint
compare_runs (const gchar *path_a, const gchar *path_b, GError **error)
{
  g_autoptr (PalDevice) device = pal_device_open (NULL, error);

  if (! device)
    return 2;

  for (guint intent = PAL_FILL; intent <= PAL_RESTYLE; intent++)
    {
      g_autoptr (PalImage) a = paint (device, path_a, (PalIntent) intent, error);
      g_autoptr (PalImage) b = a ? paint (device, path_b, (PalIntent) intent, error) : NULL;

      if (! b)
        return 1;
      if (memcmp (a->data, b->data, 64 * 64 * 3 * sizeof (gfloat)) != 0)
        {
          printf ("the pixels of run %u differ\n", intent);
          return 1;
        }
    }

  return 0;
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  gint status;

  if (argc != 4)
    return 1;

  if (g_str_equal (argv[1], "weights"))
    status = compare_weights (argv[2], argv[3], &error);
  else if (g_str_equal (argv[1], "configs"))
    status = compare_configs (argv[2], argv[3], &error);
  else
    status = compare_runs (argv[2], argv[3], &error);
  if (error)
    printf ("%s\n", error->message);

  return status;
}
