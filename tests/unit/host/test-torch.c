/* SPDX-License-Identifier: GPL-3.0-or-later */
/* PyTorch's files: the tensors of good ones, and the message of each that is not read. The
 * archive is made here around a pickle. */

#include <string.h>

#include "base/dtype.h"
#include "base/error.h"
#include "io/tensor-file.h"
#include "support.h"

static void
put (GByteArray *out,
     guint64     number,
     guint       n_bytes)
{
  for (guint i = 0; i < n_bytes; i++)
    g_byte_array_append (out, &(guint8) { i < 8 ? (guint8) (number >> (8 * i)) : 0 }, 1);
}

static void
put_bytes (GByteArray    *out,
           gconstpointer  bytes,
           gsize          size)
{
  if (size > 0)
    g_byte_array_append (out, bytes, (guint) size);
}

typedef struct
{
  const gchar  *name;
  gconstpointer bytes;
  gsize         size;
} Entry;

/* How the archive is to be written. */
typedef struct
{
  guint    method;              /* 0 = stored */
  gboolean wide;                /* sizes and places in the records of 64 bits */
  gsize    cut;                 /* bytes left out at the end */
} Archive;

static void
put_row (GByteArray    *rows,
         const Entry   *entry,
         const Archive *archive,
         gsize          place)
{
  put (rows, 0x02014b50, 4);
  put (rows, 0, 6);
  put (rows, archive->method, 2);
  put (rows, 0, 8);
  put (rows, archive->wide ? G_MAXUINT32 : entry->size, 4);
  put (rows, archive->wide ? G_MAXUINT32 : entry->size, 4);
  put (rows, strlen (entry->name), 2);
  put (rows, archive->wide ? 28 : 0, 2);
  put (rows, 0, 10);
  put (rows, archive->wide ? G_MAXUINT32 : place, 4);
  put_bytes (rows, entry->name, strlen (entry->name));
  if (archive->wide)
    {
      put (rows, 1, 2);
      put (rows, 24, 2);
      put (rows, entry->size, 8);
      put (rows, entry->size, 8);
      put (rows, place, 8);
    }
}

static void
put_end (GByteArray    *file,
         const Archive *archive,
         guint          n,
         gsize          size,
         gsize          start)
{
  const gsize end = file->len;

  if (archive->wide)
    {
      put (file, 0x06064b50, 4);
      put (file, 44, 8);
      put (file, 0, 12);
      put (file, n, 8);
      put (file, n, 8);
      put (file, size, 8);
      put (file, start, 8);
      put (file, 0x07064b50, 4);
      put (file, 0, 4);
      put (file, end, 8);
      put (file, 1, 4);
    }
  put (file, 0x06054b50, 4);
  put (file, 0, 6);
  put (file, archive->wide ? 0xffff : n, 2);
  put (file, archive->wide ? G_MAXUINT32 : size, 4);
  put (file, archive->wide ? G_MAXUINT32 : start, 4);
  put (file, 0, 2);
}

static PalTensorFile *
open_archive (const gchar   *folder,
              const Entry   *entries,
              guint          n,
              const Archive *archive,
              GError       **error)
{
  g_autoptr (GByteArray) file = g_byte_array_new (), rows = g_byte_array_new ();
  g_autofree gchar      *path = g_build_filename (folder, "x.ckpt", NULL);
  gsize                  start;

  for (guint i = 0; i < n; i++)
    {
      put_row (rows, &entries[i], archive, file->len);
      put (file, 0x04034b50, 4);
      put (file, 0, 4);
      put (file, archive->method, 2);
      put (file, 0, 16);
      put (file, strlen (entries[i].name), 2);
      put (file, 3, 2);
      put_bytes (file, entries[i].name, strlen (entries[i].name));
      put (file, 0, 3);
      put_bytes (file, entries[i].bytes, entries[i].size);
    }
  start = file->len;
  put_bytes (file, rows->data, rows->len);
  put_end (file, archive, n, rows->len, start);

  support_write (folder, "x.ckpt", file->data, (gssize) (file->len - archive->cut));

  return pal_tensor_file_open (path, error);
}

#define STORAGE(type, key) "(X\7\0\0\0storagectorch\n" type "\nX\1\0\0\0" key "X\3\0\0\0cpuK\5tQ"
#define TENSOR(storage, offset, shape, strides) \
  "ctorch._utils\n_rebuild_tensor_v2\n(" storage offset shape strides "\x89}tR"
#define DICT(name, value) "\x80\2}X\1\0\0\0" name value "s."
#define WRAPPED(value) "\x80\2}(X\5\0\0\0epochK\3X\12\0\0\0state_dict}X\1\0\0\0w" value "su."

/* A literal without the zero at its end. */
#define BYTES(text) text, sizeof (text) - 1

static const guint8 floats[20] = { 0, 0, 0x80, 0x3f, 0, 0, 0, 0x40 };

static PalTensorFile *
open_pickle (const gchar   *folder,
             const gchar   *pickle,
             gsize          size,
             const Archive *archive,
             GError       **error)
{
  const Entry entries[] = { { "a/b/data.pkl", pickle, size },
                            { "a/b/data/0", floats, sizeof floats },
                            { "a/b/byteorder", "little", 6 } };

  return open_archive (folder, entries, G_N_ELEMENTS (entries), archive, error);
}

static void
test_good (void)
{
  static const struct { const gchar *pickle; gsize size; Archive archive; } rows[] = {
    { BYTES (DICT ("w", TENSOR (STORAGE ("FloatStorage", "0"), "K\1", "K\2K\2\x86",
                                "K\2K\1\x86"))), { 0 } },
    { BYTES (WRAPPED (TENSOR (STORAGE ("FloatStorage", "0"), "K\1", "K\2K\2\x86", "K\2K\1\x86"))),
      { .wide = TRUE } },
  };
  gchar *folder = support_folder ();

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      GError                   *error = NULL;
      g_autoptr (PalTensorFile) file  = open_pickle (folder, rows[i].pickle, rows[i].size,
                                                     &rows[i].archive, &error);
      const PalTensorEntry     *entry;
      gfloat                    first;

      g_assert_no_error (error);
      g_assert_cmpuint (pal_tensor_file_count (file), ==, 1);
      entry = pal_tensor_file_find (file, "w");
      g_assert_nonnull (entry);
      g_assert_cmpint ((gint) entry->dtype, ==, PAL_F32);
      g_assert_true (pal_shape_equal (entry->shape, PAL_SHAPE (2, 2)));
      memcpy (&first, entry->data, sizeof first);
      g_assert_cmpfloat (first, ==, 2.0f);
    }

  support_remove (folder);
}

#define ROW(pickle, code, message) { BYTES (pickle), code, message }

static const struct { const gchar *pickle; gsize size; gint code; const gchar *message; } bad[] = {
  ROW ("\x80\2cposix\nsystem\nX\2\0\0\0ls\x85R.", PAL_ERROR_UNSUPPORTED, "posix.system"),
  ROW ("\x80\4X\2\0\0\0osX\6\0\0\0system\x93.", PAL_ERROR_UNSUPPORTED, "os.system"),
  ROW ("\x80\2ctorch\nload\n.", PAL_ERROR_UNSUPPORTED, "torch.load"),
  ROW ("\x80\2ctorch\nFloatStorage\n)R.", PAL_ERROR_FORMAT, "damaged at byte"),
  ROW ("\x80\2K\1.", PAL_ERROR_FORMAT, "no dictionary of tensors"),
  ROW ("\x80\2", PAL_ERROR_FORMAT, "damaged at byte"),
  ROW ("\x80\2\xff", PAL_ERROR_FORMAT, "damaged at byte"),
  ROW ("\x80\2}(u0000.", PAL_ERROR_FORMAT, "damaged at byte"),
  ROW ("\x80\2h\7.", PAL_ERROR_FORMAT, "damaged at byte"),
  ROW ("\x80\2}X\377\377\377\377", PAL_ERROR_FORMAT, "damaged at byte"),
  ROW (DICT ("w", TENSOR (STORAGE ("FloatStorage", "9"), "K\0", "K\1\x85", "K\1\x85")),
       PAL_ERROR_FORMAT, "lacks a/b/data/9"),
  ROW (DICT ("w", TENSOR (STORAGE ("FloatStorage", "0"), "K\4", "K\2\x85", "K\1\x85")),
       PAL_ERROR_FORMAT, "past the end of its storage"),
  ROW (DICT ("w", TENSOR (STORAGE ("FloatStorage", "0"), "J\377\377\377\377", "K\2\x85",
                          "K\1\x85")),
       PAL_ERROR_FORMAT, "past the end of its storage"),
  ROW (DICT ("w", TENSOR (STORAGE ("FloatStorage", "0"), "K\0", "K\2K\2\x86", "K\1K\2\x86")),
       PAL_ERROR_UNSUPPORTED, "another order"),
};

static void
test_bad_pickles (void)
{
  gchar *folder = support_folder ();

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      GError *error = NULL;

      g_assert_null (open_pickle (folder, bad[i].pickle, bad[i].size, &(Archive) { 0 }, &error));
      support_assert_error (error, bad[i].code, bad[i].message);
      support_assert_error (error, bad[i].code, "x.ckpt");
      g_clear_error (&error);
    }

  support_remove (folder);
}

static void
test_bad_archives (void)
{
  static const Entry none[]  = { { "readme", "", 0 } };
  static const Entry other[] = { { "data.pkl", "\x80\2}.", 4 }, { "byteorder", "big", 3 } };
  static const Entry good[]  = { { "data.pkl", "\x80\2}.", 4 } };
  static const struct
  {
    const Entry *entries;
    guint        n;
    Archive      archive;
    gint         code;
    const gchar *message;
  } rows[] = {
    { none, 1, { 0 }, PAL_ERROR_FORMAT, "archive without data.pkl" },
    { other, 2, { 0 }, PAL_ERROR_UNSUPPORTED, "other byte order" },
    { good, 1, { .method = 8 }, PAL_ERROR_UNSUPPORTED, "data.pkl is packed" },
    { good, 1, { .cut = 1 }, PAL_ERROR_FORMAT, "directory is damaged" },
    { good, 1, { .wide = TRUE, .cut = 30 }, PAL_ERROR_FORMAT, "directory is damaged" },
  };
  gchar *folder = support_folder ();

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      GError *error = NULL;

      g_assert_null (open_archive (folder, rows[i].entries, rows[i].n, &rows[i].archive, &error));
      support_assert_error (error, rows[i].code, rows[i].message);
      g_clear_error (&error);
    }

  support_remove (folder);
}

/* What PyTorch wrote before it wrote archives. */
static void
test_bare_pickle (void)
{
  gchar            *folder = support_folder ();
  g_autofree gchar *path   = g_build_filename (folder, "x.pt", NULL);
  GError           *error  = NULL;

  support_write (folder, "x.pt", "\x80\2\x8a\12l\374\234F\371 j\250P\31.", 14);
  g_assert_null (pal_tensor_file_open (path, &error));
  support_assert_error (error, PAL_ERROR_UNSUPPORTED, "before 1.6");
  g_clear_error (&error);

  support_remove (folder);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/torch/good", test_good);
  g_test_add_func ("/torch/bad-pickles", test_bad_pickles);
  g_test_add_func ("/torch/bad-archives", test_bad_archives);
  g_test_add_func ("/torch/bare-pickle", test_bare_pickle);

  return g_test_run ();
}
