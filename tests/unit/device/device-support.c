/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The device under test, weight files, test ops. */

#include "device-support.h"

#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "base/debug.h"
#include "run/private.h"

static PalDevice *device;
static gchar     *cache_folder;

/* Device and tests */

gboolean
device_test_init (gint    *argc,
                  gchar ***argv)
{
  g_autoptr (GError) error = NULL;

  g_test_init (argc, argv, NULL);

  cache_folder = g_dir_make_tmp ("palimpsest-cache-XXXXXX", NULL);
  g_setenv ("PALIMPSEST_CACHE_DIR", cache_folder, TRUE);

  device = pal_device_open (NULL, &error);
  if (device)
    return TRUE;

  g_print ("1..0 # SKIP %s\n", error->message);
  g_rmdir (cache_folder);
  g_clear_pointer (&cache_folder, g_free);

  return FALSE;
}

static void
remove_tree (const gchar *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const gchar *name;

  while (dir && (name = g_dir_read_name (dir)))
    {
      g_autofree gchar *child = g_build_filename (path, name, NULL);

      remove_tree (child);
    }

  g_remove (path);
}

gint
device_test_run (void)
{
  const gint result = g_test_run ();

  g_assert_cmpuint (pal_device_allocated_bytes (device), ==, 0);
  g_clear_pointer (&device, pal_device_unref);
  remove_tree (cache_folder);
  g_clear_pointer (&cache_folder, g_free);

  return result;
}

PalDevice *
test_device (void)
{
  return device;
}

void
device_test_use (PalDevice *used)
{
  device = used;
}

void
test_error (GError       *error,
            PalErrorCode  code,
            const gchar  *part)
{
  g_assert_error (error, PAL_ERROR, (gint) code);
  if (! strstr (error->message, part))
    g_error ("“%s” lacks “%s”", error->message, part);
}

/* Weights */

static void
append_header (GString          *header,
               const TestTensor *tensor,
               gsize             begin,
               gsize             n_bytes)
{
  g_string_append_printf (header, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[",
                          header->len > 1 ? "," : "", tensor->name,
                          pal_dtype_name (tensor->dtype));
  for (guint i = 0; i < tensor->shape.n; i++)
    g_string_append_printf (header, "%s%" G_GINT64_FORMAT, i > 0 ? "," : "",
                            tensor->shape.d[i]);
  g_string_append_printf (header, "],\"data_offsets\":[%" G_GSIZE_FORMAT ",%" G_GSIZE_FORMAT
                          "]}", begin, begin + n_bytes);
}

PalWeights *
test_weights (const TestTensor *tensors,
              guint             n)
{
  g_autoptr (GString) header = g_string_new ("{");
  g_autoptr (GByteArray) data = g_byte_array_new ();
  g_autoptr (GByteArray) file = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  g_autofree gchar *path = NULL;
  PalWeights       *weights;
  guint64           length;
  gint              fd;

  for (guint i = 0; i < n; i++)
    {
      gsize count;

      g_assert_true (pal_shape_count (tensors[i].shape, &count));
      count *= pal_dtype_size (tensors[i].dtype);
      append_header (header, &tensors[i], data->len, count);
      g_byte_array_append (data, tensors[i].data, count);
    }
  g_string_append_c (header, '}');

  length = GUINT64_TO_LE (header->len);
  g_byte_array_append (file, (guint8 *) &length, sizeof length);
  g_byte_array_append (file, (guint8 *) header->str, header->len);
  g_byte_array_append (file, data->data, data->len);

  fd = g_file_open_tmp ("palimpsest-XXXXXX.safetensors", &path, &error);
  g_assert_no_error (error);
  g_assert_cmpint (write (fd, file->data, file->len), ==, (gssize) file->len);
  close (fd);

  weights = pal_weights_open_file (path, &error);
  g_assert_no_error (error);
  g_remove (path);

  return weights;
}

PalResidency *
test_residency (void)
{
  static const gfloat w[] = { 1, 2, 3, 4 }, a[] = { 10, 20 };
  const TestTensor    tensors[] = { { "w", PAL_F32, PAL_SHAPE (4), w },
                                    { "a.w", PAL_F32, PAL_SHAPE (2), a } };
  g_autoptr (PalWeights) weights = test_weights (tensors, G_N_ELEMENTS (tensors));

  return pal_residency_new (device, weights);
}

/* Kernels */

static const PalKernelRow rows[] = {
  { "test", "", "test.cl", "test_add", "", 0, { 0 } },
  { "test", "", "test.cl", "test_affine", "", 0, { 0 } },
  { "test", "", "test.cl", "test_stray", "", 0, { 0 } },
  { "test", "", "test.cl", "test_nan", "", 0, { 0 } },
  { "test", "", "test.cl", "test_slow", "", 0, { 0 } },
  { "test", "", "test.cl", "test_absent", "", 0, { 0 } },
  { "test", "", "broken.cl", "broken", "", 0, { 0 } },
  { "test", "", "absent.cl", "absent", "", 0, { 0 } },
};

const PalKernelRow *
test_row (const gchar *entry)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    if (g_str_equal (rows[i].entry, entry))
      return &rows[i];

  g_assert_not_reached ();
}

/* Ops */

typedef struct
{
  gfloat value;
  gint   count;
} TestOptions;

static gboolean
go (PalEmit          *emit,
    const PalTensor  *x,
    GError          **error)
{
  return pal_emit_go (emit, x->count + 1, 1, 1, 16, 1, 1, error);
}

static gboolean
emit_add (PalEmit        *emit,
          const PalStep  *step,
          GError        **error)
{
  const TestOptions *options = step->options;

  pal_emit_begin (emit, test_row ("test_add"), "-DSCALE=%.1ff", (gdouble) options->value);
  pal_emit_tensor (emit, step->in[0]);
  pal_emit_tensor (emit, step->in[1]);
  pal_emit_tensor (emit, step->out);
  pal_emit_int (emit, (gint32) step->out->count);

  return go (emit, step->out, error);
}

static gboolean
emit_affine (PalEmit        *emit,
             const PalStep  *step,
             GError        **error)
{
  const TestOptions *options = step->options;

  pal_emit_begin (emit, test_row ("test_affine"), "-DSCALE=1.0f");
  pal_emit_tensor (emit, step->in[0]);
  pal_emit_weight (emit, step->weight[0]);
  pal_emit_tensor (emit, step->out);
  pal_emit_int (emit, (gint32) step->out->count);
  pal_emit_int (emit, options->count);
  pal_emit_float (emit, options->value);

  return go (emit, step->out, error);
}

static gboolean
emit_copy (PalEmit        *emit,
           const PalStep  *step,
           GError        **error)
{
  pal_emit_begin (emit, test_row (step->op->name), "%s", "");
  pal_emit_tensor (emit, step->in[0]);
  pal_emit_tensor (emit, step->out);
  pal_emit_int (emit, (gint32) step->out->count);
  if (step->options)
    pal_emit_int (emit, ((const TestOptions *) step->options)->count);

  return go (emit, step->out, error);
}

/* Two launches with scratch between them. */
static gboolean
emit_scratch (PalEmit        *emit,
              const PalStep  *step,
              GError        **error)
{
  const PalTensor *from[] = { step->in[0], step->scratch[0] };
  const PalTensor *to[]   = { step->scratch[0], step->out };

  for (guint i = 0; i < 2; i++)
    {
      pal_emit_begin (emit, test_row ("test_add"), "-DSCALE=1.0f");
      pal_emit_tensor (emit, from[i]);
      pal_emit_tensor (emit, step->in[0]);
      pal_emit_tensor (emit, to[i]);
      pal_emit_int (emit, (gint32) step->out->count);
      if (! go (emit, step->out, error))
        return FALSE;
    }

  return TRUE;
}

static gboolean
emit_never (PalEmit        *emit,
            const PalStep  *step,
            GError        **error)
{
  g_assert_not_reached ();
}

static const PalOp op_add = { "test_add", 1, emit_add };
static const PalOp op_affine = { "test_affine", 1, emit_affine };
static const PalOp op_stray = { "test_stray", 0, emit_copy };
static const PalOp op_nan = { "test_nan", 0, emit_copy };
static const PalOp op_slow = { "test_slow", 0, emit_copy };
static const PalOp op_scratch = { "test_scratch", 0, emit_scratch };
static const PalOp op_planned = { "test_planned", 0, emit_never };
static const PalOp op_planned_in_place = { "test_planned", 1, emit_never };

static PalTensor *
one_input (PalTape           *tape,
           const PalOp       *op,
           PalTensor         *x,
           const TestOptions *options)
{
  PalStep *step = pal_step_new (tape, op, options, sizeof *options);

  pal_step_input (step, x);
  return pal_step_output (tape, step, PAL_F32, pal_shape_of (x));
}

PalTensor *
test_add (PalTape   *tape,
          PalTensor *x,
          PalTensor *y,
          gfloat     scale)
{
  const TestOptions options = { .value = scale };
  PalStep          *step;

  if (! pal_shape_equal (pal_shape_of (x), pal_shape_of (y)))
    return pal_tape_fail (tape, PAL_ERROR_SHAPE, "test_add of two shapes");

  step = pal_step_new (tape, &op_add, &options, sizeof options);
  pal_step_input (step, x);
  pal_step_input (step, y);

  return pal_step_output (tape, step, PAL_F32, pal_shape_of (x));
}

PalTensor *
test_affine (PalTape     *tape,
             PalTensor   *x,
             const gchar *weight,
             gfloat       shift)
{
  PalWeight *w = weight ? pal_tape_weight (tape, weight, PAL_PACK_VECTOR, 0, TRUE) : NULL;
  const TestOptions options = { .value = shift,
                                .count = w ? (gint) w->view->shape.d[0] : 0 };
  PalStep *step = pal_step_new (tape, &op_affine, &options, sizeof options);

  pal_step_input (step, x);
  pal_step_weight (step, w);

  return pal_step_output (tape, step, PAL_F32, pal_shape_of (x));
}

PalTensor *
test_stray (PalTape   *tape,
            PalTensor *x)
{
  return one_input (tape, &op_stray, x, NULL);
}

PalTensor *
test_nan (PalTape   *tape,
          PalTensor *x)
{
  return one_input (tape, &op_nan, x, NULL);
}

PalTensor *
test_slow (PalTape   *tape,
           PalTensor *x,
           gint       turns)
{
  return one_input (tape, &op_slow, x, &(TestOptions) { .count = turns });
}

PalTensor *
test_scratch (PalTape   *tape,
              PalTensor *x)
{
  PalStep *step = pal_step_new (tape, &op_scratch, NULL, 0);

  pal_step_input (step, x);
  pal_step_scratch (tape, step, PAL_F32, pal_shape_of (x));

  return pal_step_output (tape, step, PAL_F32, pal_shape_of (x));
}

PalTensor *
test_planned (PalTape          *tape,
              gsize             n_bytes,
              guint             n_in,
              PalTensor *const *in,
              gsize             scratch_bytes,
              gboolean          in_place)
{
  PalStep *step = pal_step_new (tape, in_place ? &op_planned_in_place : &op_planned, NULL, 0);

  for (guint i = 0; i < n_in; i++)
    pal_step_input (step, in[i]);
  if (scratch_bytes > 0)
    pal_step_scratch (tape, step, PAL_U8, PAL_SHAPE ((gint64) scratch_bytes));

  return pal_step_output (tape, step, PAL_U8, PAL_SHAPE ((gint64) n_bytes));
}
