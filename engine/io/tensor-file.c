/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One file of tensors: which format it has, and what all readers share. */

#include <gio/gio.h>

#include "base/dtype.h"
#include "base/error.h"
#include "io/format.h"

/* In the order in which they are tried. */
static const PalFormat *const formats[] = {
  &pal_format_gguf,
  &pal_format_torch,
  &pal_format_pickle,
  &pal_format_safetensors,
};

static const gchar *const suffixes[] = { ".safetensors", ".gguf", ".ckpt", ".pt", ".pth", ".bin",
                                         ".sft" };

static void
entry_clear (gpointer data)
{
  g_free (((PalTensorEntry *) data)->name);
}

static gboolean
map_file (PalTensorFile  *file,
          GError        **error)
{
  g_autoptr (GError) problem = NULL;

  file->mapped = g_mapped_file_new (file->path, FALSE, &problem);
  if (! file->mapped)
    {
      g_set_error_literal (error, PAL_ERROR, PAL_ERROR_IO, problem->message);
      return FALSE;
    }

  file->start = (const guint8 *) g_mapped_file_get_contents (file->mapped);
  file->size  = g_mapped_file_get_length (file->mapped);

  return TRUE;
}

PalTensorFile *
pal_tensor_file_open (const gchar  *path,
                      GError      **error)
{
  g_autoptr (PalTensorFile) file = g_new0 (PalTensorFile, 1);
  gsize                     i    = 0;

  g_atomic_ref_count_init (&file->refs);
  file->path    = g_strdup (path);
  file->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  file->entries = g_array_new (FALSE, FALSE, sizeof (PalTensorEntry));
  g_array_set_clear_func (file->entries, entry_clear);

  if (! map_file (file, error))
    return NULL;

  while (! formats[i]->recognise (file->start, file->size))
    i++;
  file->format = formats[i];

  return file->format->read (file, error) ? g_steal_pointer (&file) : NULL;
}

PalTensorFile *
pal_tensor_file_ref (PalTensorFile *file)
{
  g_atomic_ref_count_inc (&file->refs);

  return file;
}

void
pal_tensor_file_unref (PalTensorFile *file)
{
  if (! file || ! g_atomic_ref_count_dec (&file->refs))
    return;

  g_hash_table_unref (file->by_name);
  g_array_unref (file->entries);
  g_clear_pointer (&file->mapped, g_mapped_file_unref);
  g_free (file->path);
  g_free (file);
}

gboolean
pal_format_refuse (const PalTensorFile *file,
                   GError             **error,
                   PalErrorCode         code,
                   const gchar         *format,
                   ...)
{
  g_autofree gchar *text = NULL;
  va_list           args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);

  g_set_error (error, PAL_ERROR, (gint) code, "%s: %s", file->path, text);

  return FALSE;
}

static gboolean
check_entry (const PalTensorFile *file,
             PalTensorEntry      *entry,
             GError             **error)
{
  const gsize at = (gsize) ((const guint8 *) entry->data - file->start);
  gsize       n  = 0;

  if (g_hash_table_contains (file->by_name, entry->name))
    return pal_format_refuse (file, error, PAL_ERROR_FORMAT, "has the tensor %s twice",
                              entry->name);

  if (! pal_shape_count (entry->shape, &n) ||
      ! pal_dtype_bytes (entry->dtype, n, &entry->n_bytes))
    {
      g_autofree gchar *shape = pal_shape_text (entry->shape);

      return pal_format_refuse (file, error, PAL_ERROR_FORMAT,
                                "the tensor %s of shape %s is not made of whole %s values",
                                entry->name, shape, pal_dtype_name (entry->dtype));
    }

  if (at > file->size || entry->n_bytes > file->size - at)
    return pal_format_refuse (file, error, PAL_ERROR_FORMAT,
                              "the tensor %s runs past the end of the file; it may have been "
                              "cut short, fetch it again", entry->name);

  return TRUE;
}

gboolean
pal_tensor_file_add (PalTensorFile   *file,
                     PalTensorEntry  *entry,
                     GError         **error)
{
  if (! check_entry (file, entry, error))
    {
      g_free (entry->name);
      return FALSE;
    }

  g_array_append_val (file->entries, *entry);
  g_hash_table_insert (file->by_name, entry->name, GUINT_TO_POINTER (file->entries->len));

  return TRUE;
}

const gchar *
pal_tensor_file_path (const PalTensorFile *file)
{
  return file->path;
}

const gchar *
pal_tensor_file_format (const PalTensorFile *file)
{
  return file->format->id;
}

gsize
pal_tensor_file_count (const PalTensorFile *file)
{
  return file->entries->len;
}

const PalTensorEntry *
pal_tensor_file_entry (const PalTensorFile *file,
                       gsize                index)
{
  g_return_val_if_fail (index < file->entries->len, NULL);

  return &g_array_index (file->entries, PalTensorEntry, index);
}

const PalTensorEntry *
pal_tensor_file_find (const PalTensorFile *file,
                      const gchar         *name)
{
  const guint place = GPOINTER_TO_UINT (g_hash_table_lookup (file->by_name, name));

  return place > 0 ? &g_array_index (file->entries, PalTensorEntry, place - 1) : NULL;
}

gboolean
pal_tensor_file_named (const gchar *path)
{
  for (gsize i = 0; i < G_N_ELEMENTS (suffixes); i++)
    if (g_str_has_suffix (path, suffixes[i]))
      return TRUE;

  return FALSE;
}
