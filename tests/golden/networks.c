/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One network at a time: its result, and the result of every module inside it. */

#include "golden.h"

#include <math.h>
#include <string.h>

#include "io/weights.h"
#include "model/unet.h"
#include "model/vae.h"
#include "run/tape.h"

typedef struct
{
  PalShape shape;
  gfloat  *data;
} Array;

static void
array_free (gpointer data)
{
  Array *array = data;

  g_free (array->data);
  g_free (array);
}

typedef struct
{
  PalWeights   *weights;
  PalResidency *residency;
  PalJson      *config;
} Network;

static void
network_clear (Network *network)
{
  g_clear_pointer (&network->residency, pal_residency_unref);
  g_clear_pointer (&network->weights, pal_weights_unref);
  g_clear_pointer (&network->config, pal_json_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Network, network_clear)

/* model/part, or model itself when it is that part alone. */
static gboolean
network_open (Network *network, GoldenCase *c, PalDevice *device, const gchar *part, GError **error)
{
  g_autofree gchar *model = golden_model (c, error);
  g_autofree gchar *folder = model ? g_build_filename (model, part, NULL) : NULL;
  g_autofree gchar *config = NULL;

  if (! model)
    return FALSE;

  if (! g_file_test (folder, G_FILE_TEST_IS_DIR))
    {
      g_free (folder);
      folder = g_strdup (model);
    }

  config = g_build_filename (folder, "config.json", NULL);
  network->config = pal_json_load (config, error);
  if (! network->config)
    return FALSE;

  network->weights = pal_weights_open_folder (folder, "diffusion_pytorch_model", error);
  if (! network->weights)
    return FALSE;

  network->residency = pal_residency_new (device, network->weights);
  return TRUE;
}

/* Runs a tape once; name → Array of all its outputs. */
static GHashTable *
run_tape (PalTape *tape, const PalBinding *inputs, gsize n_inputs, GError **error)
{
  g_autoptr (PalProgram) program = pal_tape_finish (tape, 0, error);
  g_autoptr (GHashTable) outputs = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                                          array_free);
  g_autoptr (GArray) bindings = g_array_new (FALSE, FALSE, sizeof (PalBinding));
  g_auto (GStrv) names = NULL;

  if (! program)
    return NULL;

  names = pal_program_outputs (program);
  g_array_append_vals (bindings, inputs, n_inputs);

  for (guint i = 0; names[i]; i++)
    {
      Array *array = g_new0 (Array, 1);
      PalBinding binding;
      gsize n = 0;

      array->shape = pal_program_shape (program, names[i]);
      pal_shape_count (array->shape, &n);
      array->data = g_new0 (gfloat, n);
      binding = (PalBinding) { names[i], array->data, n * sizeof (gfloat) };
      g_array_append_val (bindings, binding);
      g_hash_table_insert (outputs, g_strdup (names[i]), array);
    }

  if (! pal_program_run (program, (const PalBinding *) bindings->data, bindings->len, NULL, error))
    return NULL;

  return g_steal_pointer (&outputs);
}

/* The engine fuses SiLU into the norm before the last convolution; the reference's
 * module is the norm alone. */
static void
activate (gfloat *x, gsize n)
{
  for (gsize i = 0; i < n; i++)
    x[i] /= 1.0f + expf (-x[i]);
}

/* Compares each tensor "prefix<module path>" with the output of that module. The
 * reference appends ".0" where a module returns a tuple. */
static void
check_trace (GoldenCase *c, GoldenResult *result, const gchar *prefix, GHashTable *outputs)
{
  g_auto (GStrv) names = golden_names (c);

  for (guint i = 0; names[i]; i++)
    {
      g_autofree gchar *path = NULL;
      g_autofree gfloat *expected = NULL;
      const PalTensorEntry *entry;
      const Array *array;
      const gfloat *stored;
      PalShape shape;
      gsize n = 0;

      if (! g_str_has_prefix (names[i], prefix))
        continue;

      path = g_strdup (names[i] + strlen (prefix));
      array = g_hash_table_lookup (outputs, path);
      if (! array && g_str_has_suffix (path, ".0"))
        {
          path[strlen (path) - 2] = '\0';
          array = g_hash_table_lookup (outputs, path);
        }
      entry = golden_find (c, "%s", names[i]);
      if (! array || ! entry)
        continue;

      stored = golden_floats (c, entry, &shape);
      if (! pal_shape_equal (shape, array->shape))
        continue;

      pal_shape_count (shape, &n);
      expected = g_memdup2 (stored, n * sizeof (gfloat));
      if (g_str_has_suffix (path, "conv_norm_out"))
        activate (expected, n);
      golden_compare (result, GOLDEN_TRACE, names[i], expected, array->data, n);
    }
}

/* What the reference calls the U-Net's inputs, and whether one of a batch's numbers are
 * joined to a list. The first three are always there. */
static const struct
{
  const gchar *name;
  gsize        member;        /* of PalUnetInputs */
  gboolean     flat;
} unet_inputs[] = {
  { "sample", G_STRUCT_OFFSET (PalUnetInputs, x), FALSE },
  { "timestep", G_STRUCT_OFFSET (PalUnetInputs, timesteps), FALSE },
  { "encoder_hidden_states", G_STRUCT_OFFSET (PalUnetInputs, context), FALSE },
  { "class_labels", G_STRUCT_OFFSET (PalUnetInputs, vector), FALSE },
  { "added.text_embeds", G_STRUCT_OFFSET (PalUnetInputs, vector), FALSE },
  { "added.time_ids", G_STRUCT_OFFSET (PalUnetInputs, sizes), TRUE },
  { "guidance", G_STRUCT_OFFSET (PalUnetInputs, guidance), FALSE },
};

#define UNET_INPUTS G_N_ELEMENTS (unet_inputs)

/* Input i of the tape, with the case's tensor bound to it. One number stands for the
 * whole batch. */
static PalTensor *
unet_input (GoldenCase *c, PalTape *tape, const PalTensorEntry *entry, guint i, gint64 batch,
            PalBinding *binding)
{
  PalShape shape;
  const gfloat *data = golden_floats (c, entry, &shape);
  gsize n = 0;

  pal_shape_count (shape, &n);
  if (n == 1 && shape.n <= 1)
    {
      gfloat *spread = g_new (gfloat, batch);

      for (gint64 b = 0; b < batch; b++)
        spread[b] = data[0];
      g_ptr_array_add (c->arrays, spread);
      data = spread;
      n = (gsize) batch;
      shape = PAL_SHAPE (batch);
    }
  if (unet_inputs[i].flat)
    shape = PAL_SHAPE ((gint64) n);

  *binding = (PalBinding) { unet_inputs[i].name, (gpointer) data, n * sizeof (gfloat) };
  return pal_input (tape, unet_inputs[i].name, PAL_F32, shape);
}

/* All inputs that the case holds; returns their number. */
static gsize
bind_inputs (GoldenCase *c, PalTape *tape, const gchar *prefix, gint64 batch,
             PalUnetInputs *inputs, PalBinding *bindings)
{
  gsize n = 0;

  for (guint i = 0; i < UNET_INPUTS; i++)
    {
      const PalTensorEntry *entry = golden_find (c, "%s%s", prefix, unet_inputs[i].name);

      if (entry)
        G_STRUCT_MEMBER (PalTensor *, inputs, unet_inputs[i].member) =
          unet_input (c, tape, entry, i, batch, &bindings[n++]);
    }

  return n;
}

/* The configuration, and how wide the case's vector is. */
static gboolean
unet_config (GoldenCase *c, const Network *network, const gchar *prefix, PalUnetConfig *config,
             GError **error)
{
  const PalTensorEntry *pooled = golden_find (c, "%sadded.text_embeds", prefix);

  if (! pal_unet_config_read (network->config, config, error))
    return FALSE;
  if (! pooled || pal_unet_config_vector (config, pooled->shape.d[1]))
    return TRUE;

  g_set_error (error, PAL_ERROR, PAL_ERROR_SHAPE, "added.text_embeds does not fit the model");
  return FALSE;
}

static gboolean
unet_call (GoldenCase *c, PalDevice *device, GoldenResult *result, const gchar *prefix,
           GError **error)
{
  g_auto (Network) network = { 0 };
  g_autoptr (GHashTable) outputs = NULL;
  g_autofree gchar *out = g_strconcat (prefix, "out", NULL);
  const PalTensorEntry *sample = golden_find (c, "%ssample", prefix);
  PalBinding bindings[UNET_INPUTS];
  PalUnetInputs inputs = { NULL };
  PalUnetConfig config;
  const Array *array;
  PalTape *tape;
  gsize n;

  if (! sample || ! golden_find (c, "%sencoder_hidden_states", prefix))
    return TRUE;

  if (! network_open (&network, c, device, "unet", error) ||
      ! unet_config (c, &network, prefix, &config, error))
    return FALSE;

  tape = pal_tape_new (network.residency);
  pal_tape_trace (tape);
  n = bind_inputs (c, tape, prefix, sample->shape.d[0], &inputs, bindings);
  pal_output (tape, "out", pal_unet (tape, &config, &inputs));

  outputs = run_tape (tape, bindings, n, error);
  if (! outputs)
    return FALSE;

  array = g_hash_table_lookup (outputs, "out");
  golden_check (result, c, GOLDEN_DENOISER, out, array->shape, array->data);
  check_trace (c, result, "trace.", outputs);
  return TRUE;
}

/* image or latents → the codec's output, traced. */
static GHashTable *
codec_call (const Network *network, const PalVaeConfig *config, gboolean encode,
            const gfloat *data, PalShape shape, GError **error)
{
  PalTape *tape = pal_tape_new (network->residency);
  PalTensor *x;
  gsize n = 0;

  pal_shape_count (shape, &n);
  pal_tape_trace (tape);
  x = pal_input (tape, "x", PAL_F32, shape);
  x = encode ? pal_vae_encode (tape, config, x) : pal_vae_decode (tape, config, x);
  pal_output (tape, "out", x);

  return run_tape (tape, (PalBinding[]) { { "x", (gpointer) data, n * sizeof (gfloat) } }, 1,
                   error);
}

/* moments: [.., 2 L] → mean, logvar, and the sample that the stored noise gives. */
static void
check_moments (GoldenCase *c, GoldenResult *result, const gchar *size, const Array *moments)
{
  const PalTensorEntry *entry = golden_find (c, "%snoise", size);
  PalShape shape = moments->shape, noise_shape;
  const gfloat *noise = entry ? golden_floats (c, entry, &noise_shape) : NULL;
  gsize channels = (gsize) moments->shape.d[3] / 2;
  gsize n = (gsize) (shape.d[0] * shape.d[1] * shape.d[2]);
  g_autofree gfloat *part[3] = { NULL };
  static const gchar *const names[] = { "mean", "logvar", "sample" };

  shape.d[3] = (gint64) channels;
  for (guint k = 0; k < 3; k++)
    part[k] = g_new0 (gfloat, n * channels);

  for (gsize i = 0; i < n * channels; i++)
    {
      const gfloat *cell = moments->data + i / channels * 2 * channels;

      part[0][i] = cell[i % channels];
      part[1][i] = CLAMP (cell[channels + i % channels], -30.0f, 20.0f);
      if (noise)
        part[2][i] = part[0][i] + expf (0.5f * part[1][i]) * noise[i];
    }

  for (guint k = 0; k < (noise ? 3u : 2u); k++)
    {
      g_autofree gchar *name = g_strconcat (size, names[k], NULL);

      golden_check (result, c, GOLDEN_ENCODER, name, shape, part[k]);
      g_free (g_steal_pointer (&part[k]));
    }
  g_free (g_steal_pointer (&part[2]));
}

static gboolean
check_encode (GoldenCase *c, GoldenResult *result, const Network *network,
              const PalVaeConfig *config, const gchar *size, GError **error)
{
  g_autoptr (GHashTable) outputs = NULL;
  g_autofree gchar *latents = g_strconcat (size, "latents", NULL);
  const Array *out;
  PalShape shape;
  const gfloat *image = golden_floats (c, golden_find (c, "%simage", size), &shape);

  outputs = codec_call (network, config, TRUE, image, shape, error);
  if (! outputs)
    return FALSE;

  out = g_hash_table_lookup (outputs, "out");
  if (config->kind == PAL_VAE_KL)
    check_moments (c, result, size, out);
  else
    golden_check (result, c, GOLDEN_ENCODER, latents, out->shape, out->data);

  check_trace (c, result, "trace_enc.", outputs);
  return TRUE;
}

static gboolean
check_decodes (GoldenCase *c, GoldenResult *result, const Network *network,
               const PalVaeConfig *config, const gchar *size, GError **error)
{
  static const struct
  {
    const gchar *in, *out;
  } pairs[] = {
    { "mean", "decoded_of_mean" },
    { "latents", "decoded" },
    { "random_latents", "decoded_random" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (pairs); i++)
    {
      const PalTensorEntry *in = golden_find (c, "%s%s", size, pairs[i].in);
      const PalTensorEntry *out = golden_find (c, "%s%s", size, pairs[i].out);
      g_autoptr (GHashTable) outputs = NULL;
      g_autofree gchar *name = NULL;
      const Array *array;
      const gfloat *z;
      PalShape shape;

      if (! in || ! out)
        continue;

      z = golden_floats (c, in, &shape);
      outputs = codec_call (network, config, FALSE, z, shape, error);
      if (! outputs)
        return FALSE;

      name = g_strconcat (size, pairs[i].out, NULL);
      array = g_hash_table_lookup (outputs, "out");
      golden_check (result, c, GOLDEN_DECODER, name, array->shape, array->data);
      check_trace (c, result, "trace_dec.", outputs);
    }

  return TRUE;
}

/* Every size for which the case has an image, "64x48.image". */
static gboolean
codec_calls (GoldenCase *c, PalDevice *device, GoldenResult *result, const gchar *prefix,
             GError **error)
{
  g_auto (Network) network = { 0 };
  g_auto (GStrv) names = golden_names (c);
  PalVaeConfig config;

  for (guint i = 0; names[i]; i++)
    {
      g_autofree gchar *size = NULL;

      if (! g_str_has_prefix (names[i], prefix) || ! g_str_has_suffix (names[i], ".image"))
        continue;

      if (! network.residency &&
          (! network_open (&network, c, device, "vae", error) ||
           ! pal_vae_config_read (network.config, &config, error)))
        return FALSE;

      size = g_strndup (names[i], strlen (names[i]) - strlen ("image"));
      if (! check_encode (c, result, &network, &config, size, error) ||
          ! check_decodes (c, result, &network, &config, size, error))
        return FALSE;
    }

  return TRUE;
}

/* Pipeline cases may hold single calls too, with the network's name in front. */
gboolean
golden_unet (GoldenCase *c, PalDevice *device, GoldenResult *result, GError **error)
{
  return unet_call (c, device, result, golden_string (c, "pipeline") ? "unet." : "", error);
}

gboolean
golden_codec (GoldenCase *c, PalDevice *device, GoldenResult *result, GError **error)
{
  return codec_calls (c, device, result, golden_string (c, "pipeline") ? "vae." : "", error);
}
