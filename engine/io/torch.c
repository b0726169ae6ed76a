/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reader of PyTorch's own files (.ckpt, .pt, .bin): an archive with a pickle, data.pkl, and
 * one entry for each storage. What PyTorch before 1.6 wrote is refused.
 *
 * Reference: pytorch/pytorch:torch/serialization.py @v2.6.0 (BSD-3-Clause).
 * Easy to get wrong: the folder inside the archive is called as the writer liked. */

#include <string.h>

#include "base/error.h"
#include "io/pickle.h"

#define PICKLE     "data.pkl"
#define BYTE_ORDER_NAME "byteorder"

/* The folder that holds the pickle, with a slash at its end or empty. */
static gchar *
find_folder (GHashTable *entries)
{
  GHashTableIter iter;
  gpointer       name;

  g_hash_table_iter_init (&iter, entries);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    {
      g_autofree gchar *base = g_path_get_basename (name);

      if (g_str_equal (base, PICKLE))
        return g_strndup (name, strlen (name) - strlen (PICKLE));
    }

  return NULL;
}

static gboolean
check_byte_order (PalTensorFile *file,
                  GHashTable    *entries,
                  const gchar   *folder,
                  GError       **error)
{
  g_autofree gchar  *name  = g_strconcat (folder, BYTE_ORDER_NAME, NULL);
  const PalZipEntry *entry = g_hash_table_lookup (entries, name);

  return ! entry || (entry->size == 6 && memcmp (entry->data, "little", 6) == 0) ||
         pal_format_refuse (file, error, PAL_ERROR_UNSUPPORTED,
                            "was written by a machine of the other byte order; get the model in "
                            "safetensors form");
}

static gboolean
read_torch (PalTensorFile  *file,
            GError        **error)
{
  g_autoptr (GHashTable) entries = pal_zip_read (file, error);
  g_autofree gchar      *folder  = entries ? find_folder (entries) : NULL;

  if (! entries)
    return FALSE;

  if (! folder)
    return pal_format_refuse (file, error, PAL_ERROR_FORMAT,
                              "is an archive without %s, so it holds no PyTorch tensors", PICKLE);

  return check_byte_order (file, entries, folder, error) &&
         pal_pickle_read (file, &(PalPickleSource) { entries, folder }, error);
}

/* A header's length may begin like a pickle, but then the header follows. */
static gboolean
recognise_pickle (const guint8 *start,
                  gsize         size)
{
  return size > 8 && start[0] == 0x80 && start[1] >= 2 && start[1] <= 5 && start[8] != '{';
}

static gboolean
refuse_pickle (PalTensorFile  *file,
               GError        **error)
{
  return pal_format_refuse (file, error, PAL_ERROR_UNSUPPORTED,
                            "is a bare Python pickle, as PyTorch before 1.6 wrote them, and is not "
                            "read; get the model in safetensors form, or save it again with a "
                            "newer PyTorch");
}

const PalFormat pal_format_torch = { "PyTorch", pal_zip_recognise, read_torch };
const PalFormat pal_format_pickle = { "pickle", recognise_pickle, refuse_pickle };
