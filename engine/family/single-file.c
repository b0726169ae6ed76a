/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One checkpoint file: the parts that it holds, those that lie beside it, and their
 * configurations. Nothing is copied: parts are views of the mapped file.
 *
 * A part of "x.safetensors" is looked for in the folder "x" in the diffusers layout, then in
 * a file of its own, "x.vae.safetensors", then in the file itself. So a file without an
 * image codec can be given one, and what shapes don't tell can be said in x/unet/config.json
 * or x/scheduler/scheduler_config.json. */

#include "family/single-file.h"

#include <string.h>

#include "base/error.h"
#include "family/derive.h"

typedef enum { UNET, VAE, TEXT, TEXT_2, N_SLOTS } Slot;

typedef PalJson *(*Derive) (const PalCheckpoint *checkpoint, GError **error);

static const struct
{
  const gchar *part, *stem;     /* folder and file in the diffusers layout */
  const gchar *suffix;          /* of a file of its own beside the checkpoint */
  const gchar *what;
} slots[N_SLOTS] = {
  [UNET] = { "unet", "diffusion_pytorch_model", NULL, "the denoiser" },
  [VAE] = { "vae", "diffusion_pytorch_model", ".vae", "the image codec" },
  [TEXT] = { "text_encoder", "model", ".text_encoder", "the text encoder" },
  [TEXT_2] = { "text_encoder_2", "model", ".text_encoder_2", "the second text encoder" },
};

static const struct
{
  const gchar *part, *file;
  Derive       derive;
} configs[] = {
  { "unet", "config.json", pal_derive_unet },
  { "vae", "config.json", pal_derive_vae },
  { "text_encoder", "config.json", pal_derive_text },
  { "text_encoder_2", "config.json", pal_derive_text_2 },
  { "scheduler", "scheduler_config.json", pal_derive_schedule },
};

static const gchar *const endings[] = { ".safetensors", ".gguf", ".ckpt", ".pt" };

/* Tensors without content by which fine-tunes say how they were trained. */
#define MARK_V        "v_pred"
#define MARK_ZERO_SNR "ztsnr"

struct _PalSingleFile
{
  gchar         *path, *beside;
  PalWeights    *weights[N_SLOTS];
  PalCheckpoint  checkpoint;
};

/* beside/part, when there is that folder with weights in it. */
static gboolean
open_beside (PalSingleFile *file, Slot slot, GError **error)
{
  g_autofree gchar *folder = NULL;

  if (! file->beside)
    return TRUE;

  folder = g_build_filename (file->beside, slots[slot].part, NULL);
  if (! pal_weights_are_in (folder, slots[slot].stem))
    return TRUE;

  file->weights[slot] = pal_weights_open_folder (folder, slots[slot].stem, error);
  return file->weights[slot] != NULL;
}

static gboolean
open_own_file (PalSingleFile *file, Slot slot, GError **error)
{
  gsize stem = strrchr (file->path, '.') ? (gsize) (strrchr (file->path, '.') - file->path)
                                         : strlen (file->path);

  for (gsize i = 0; slots[slot].suffix && i < G_N_ELEMENTS (endings); i++)
    {
      g_autofree gchar *path = g_strdup_printf ("%.*s%s%s", (gint) stem, file->path,
                                                slots[slot].suffix, endings[i]);
      g_autoptr (PalTensorFile) own = NULL;
      const PalLayout *layout;

      if (! g_file_test (path, G_FILE_TEST_EXISTS))
        continue;

      own = pal_tensor_file_open (path, error);
      layout = own ? pal_layout_find (own, slots[slot].part) : NULL;
      if (own && ! layout)
        g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
                     "%s does not hold %s, which its name promises; take it away or put the "
                     "right file there", path, slots[slot].what);

      file->weights[slot] = layout ? pal_weights_open_part (own, layout, error) : NULL;
      return file->weights[slot] != NULL;
    }

  return TRUE;
}

static gboolean
open_part (PalSingleFile *file, PalTensorFile *tensors, Slot slot, GError **error)
{
  const PalLayout *layout = pal_layout_find (tensors, slots[slot].part);

  if (! open_beside (file, slot, error))
    return FALSE;
  if (! file->weights[slot] && ! open_own_file (file, slot, error))
    return FALSE;
  if (file->weights[slot] || ! layout)
    return TRUE;

  file->weights[slot] = pal_weights_open_part (tensors, layout, error);
  if (slot == TEXT)
    file->checkpoint.open_clip = pal_layout_is_open_clip (layout);
  return file->weights[slot] != NULL;
}

/* Whether the denoiser of the file needs the part. */
static gboolean
is_needed (const PalSingleFile *file, Slot slot)
{
  switch (slot)
    {
    case TEXT:
      return ! pal_derive_is_refiner (&file->checkpoint);
    case TEXT_2:
      return pal_derive_is_xl (&file->checkpoint);
    case UNET:
    case VAE:
    case N_SLOTS:
    default:
      return TRUE;
    }
}

static gboolean
check_complete (const PalSingleFile *file, GError **error)
{
  g_autoptr (GString) missing = g_string_new (NULL);

  if (! file->weights[UNET])
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
                   "%s holds no denoiser of Stable Diffusion 1.x, 2.x or XL, so it is no model: "
                   "it may be an adapter, an image codec, or of another family", file->path);
      return FALSE;
    }

  for (guint i = 0; i < N_SLOTS; i++)
    if (! file->weights[i] && is_needed (file, (Slot) i))
      g_string_append_printf (missing, "%s %s (as a file *%s.safetensors or a folder */%s)",
                              missing->len ? "," : "", slots[i].what, slots[i].suffix,
                              slots[i].part);

  if (missing->len == 0)
    return TRUE;

  g_set_error (error, PAL_ERROR, PAL_ERROR_WEIGHT,
               "%s lacks%s; put it beside, with the file's own name for *", file->path,
               missing->str);
  return FALSE;
}

PalSingleFile *
pal_single_file_open (const gchar *path, const gchar *beside, GError **error)
{
  g_autoptr (PalTensorFile) tensors = pal_tensor_file_open (path, error);
  PalSingleFile *file;
  gboolean opened = TRUE;

  if (! tensors)
    return NULL;

  file = g_new0 (PalSingleFile, 1);
  file->path = g_strdup (path);
  file->beside = g_strdup (beside);

  for (guint i = 0; i < N_SLOTS && opened; i++)
    opened = open_part (file, tensors, (Slot) i, error);

  file->checkpoint.path = file->path;
  file->checkpoint.unet = file->weights[UNET];
  file->checkpoint.vae = file->weights[VAE];
  file->checkpoint.text = file->weights[TEXT];
  file->checkpoint.text_2 = file->weights[TEXT_2];
  file->checkpoint.v_prediction = pal_tensor_file_find (tensors, MARK_V) != NULL;
  file->checkpoint.zero_snr = pal_tensor_file_find (tensors, MARK_ZERO_SNR) != NULL;

  if (opened && check_complete (file, error))
    return file;

  pal_single_file_free (file);
  return NULL;
}

void
pal_single_file_free (PalSingleFile *file)
{
  if (! file)
    return;

  for (guint i = 0; i < N_SLOTS; i++)
    g_clear_pointer (&file->weights[i], pal_weights_unref);
  g_free (file->path);
  g_free (file->beside);
  g_free (file);
}

PalJson *
pal_single_file_index (const PalSingleFile *file, GError **error)
{
  return pal_derive_index (&file->checkpoint, error);
}

PalJson *
pal_single_file_config (const PalSingleFile *file, const gchar *part, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (configs); i++)
    if (g_str_equal (configs[i].part, part))
      {
        g_autofree gchar *given = file->beside ? g_build_filename (file->beside, part,
                                                                   configs[i].file, NULL) : NULL;

        return given && g_file_test (given, G_FILE_TEST_EXISTS)
                 ? pal_json_load (given, error) : configs[i].derive (&file->checkpoint, error);
      }

  g_assert_not_reached ();
}

PalWeights *
pal_single_file_weights (const PalSingleFile *file, const gchar *part)
{
  for (guint i = 0; i < N_SLOTS; i++)
    if (g_str_equal (slots[i].part, part))
      return pal_weights_ref (file->weights[i]);

  g_assert_not_reached ();
}

gboolean
pal_single_file_is_open_clip (const PalSingleFile *file, const gchar *part)
{
  return g_str_equal (part, slots[TEXT_2].part) || file->checkpoint.open_clip;
}
