/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Operands, one recorded op, comparison. */

#include "op-support.h"

#include <math.h>
#include <string.h>

#include "base/dtype.h"

const OpSuite *const op_suites[] = { &op_products, &op_elements, &op_norms, NULL };

static BenchTimer bench_timer;
static gpointer   bench_timer_data;

void
bench_set_timer (BenchTimer timer, gpointer data)
{
  bench_timer      = timer;
  bench_timer_data = data;
}

static gsize
count_of (PalShape shape)
{
  gsize count;

  g_assert_true (pal_shape_count (shape, &count));

  return count;
}

static gdouble
draw (Bench *bench, gdouble scale, gdouble shift)
{
  return (gdouble) (gfloat) (shift + g_rand_double_range (bench->random, -scale, scale));
}

void
bench_init (Bench *bench, const gchar *name, gboolean shifted)
{
  memset (bench, 0, sizeof *bench);
  bench->name    = name;
  bench->shifted = shifted;
  bench->random  = g_rand_new_with_seed (g_str_hash (name));
}

void
bench_clear (Bench *bench)
{
  for (guint i = 0; i < bench->n_weights; i++)
    {
      g_free ((gpointer) bench->weights[i].data);
      g_free (bench->weight_values[i]);
    }
  for (guint i = 0; i < bench->n_inputs; i++)
    {
      g_free ((gpointer) bench->bindings[i].name);
      g_free (bench->bindings[i].data);
      g_free (bench->input_values[i]);
    }
  g_rand_free (bench->random);
}

static void
add_weight (Bench *bench, const gchar *name, PalDType dtype, PalShape shape, gpointer data,
            gdouble *values)
{
  g_assert (bench->n_weights < BENCH_MAX);

  bench->weights[bench->n_weights]         = (TestTensor) { name, dtype, shape, data };
  bench->weight_values[bench->n_weights++] = values;
}

/* name._data and name._scale; rows differ in their scale. */
static gdouble *
quantised_weight (Bench *bench, const gchar *name, PalShape shape, gdouble scale)
{
  g_autofree gchar *data_name  = g_strconcat (name, "._data", NULL);
  g_autofree gchar *scale_name = g_strconcat (name, "._scale", NULL);
  const gsize       count = count_of (shape), rows = (gsize) shape.d[0];
  gint8            *data   = g_new (gint8, count);
  gfloat           *scales = g_new (gfloat, rows);
  gdouble          *values = g_new (gdouble, count);

  for (gsize i = 0; i < rows; i++)
    scales[i] = (gfloat) (draw (bench, 0.5, 1.0) * scale / 127.0);
  for (gsize i = 0; i < count; i++)
    {
      data[i]   = (gint8) g_rand_int_range (bench->random, -127, 128);
      values[i] = data[i] * (gdouble) scales[i / (count / rows)];
    }

  add_weight (bench, g_intern_string (data_name), PAL_I8, shape, data, values);
  for (guint i = 1; i < shape.n; i++)
    shape.d[i] = 1;
  add_weight (bench, g_intern_string (scale_name), PAL_F32, shape, scales, NULL);

  return values;
}

gdouble *
bench_weight (Bench       *bench,
              const gchar *name,
              PalDType     dtype,
              PalShape     shape,
              gdouble      scale,
              gdouble      shift)
{
  const gsize count  = count_of (shape);
  gpointer    data;
  gdouble    *values;

  if (dtype == PAL_I8 && shape.n > 1)
    return quantised_weight (bench, name, shape, scale);
  if (dtype == PAL_I8)
    dtype = PAL_F16;

  data   = g_malloc (count * pal_dtype_size (dtype));
  values = g_new (gdouble, count);
  for (gsize i = 0; i < count; i++)
    {
      gfloat value = (gfloat) draw (bench, scale, shift);

      if (dtype == PAL_F16)
        value = pal_half_to_float (((guint16 *) data)[i] = pal_half_from_float (value));
      else if (dtype == PAL_BF16)
        value = pal_bf16_to_float (((guint16 *) data)[i] = pal_bf16_from_float (value));
      else
        ((gfloat *) data)[i] = value;
      values[i] = (gdouble) value;
    }

  add_weight (bench, name, dtype, shape, data, values);

  return values;
}

void
bench_record (Bench *bench)
{
  static const gfloat     nothing[] = { 0 };
  static const TestTensor none      = {
    "none",
    PAL_F32,
    { { 1 }, 1 },
    nothing
  };
  g_autoptr (PalWeights) weights     = bench->n_weights > 0 ?
                                           test_weights (bench->weights, bench->n_weights) :
                                           test_weights (&none, 1);
  g_autoptr (PalResidency) residency = pal_residency_new (test_device (), weights);

  bench->tape = pal_tape_new (residency);
}

/* A view of rows 1 .. of a longer input when the bench shifts, so that offsets count. */
static PalTensor *
add_input (Bench *bench, PalDType dtype, PalShape shape, gpointer data, gdouble *values)
{
  const guint i    = bench->n_inputs++;
  gchar      *name = g_strdup_printf ("in%u", i);
  PalTensor  *x;

  bench->shapes[i]       = shape;
  bench->input_values[i] = values;
  if (bench->shifted)
    shape.d[0] += 1;
  bench->bindings[i] = (PalBinding) { name, data, count_of (shape) * pal_dtype_size (dtype) };
  x = pal_input (bench->tape, name, dtype, shape);

  return bench->shifted ? pal_rows (bench->tape, x, 1, shape.d[0] - 1) : x;
}

PalTensor *
bench_input (Bench *bench, PalShape shape, gdouble scale, gdouble shift, gdouble **values)
{
  const gsize count = count_of (shape);
  const gsize skip  = bench->shifted ? count / (gsize) shape.d[0] : 0;
  gfloat     *data  = g_new (gfloat, count + skip);
  gdouble    *seen  = g_new (gdouble, count);

  for (gsize i = 0; i < count + skip; i++)
    data[i] = (gfloat) draw (bench, scale, shift);
  for (gsize i = 0; i < count; i++)
    seen[i] = (gdouble) data[skip + i];
  *values = seen;

  return add_input (bench, PAL_F32, shape, data, seen);
}

PalTensor *
bench_ids (Bench *bench, PalShape shape, gint limit, gdouble **values)
{
  const gsize count = count_of (shape);
  const gsize skip  = bench->shifted ? count / (gsize) shape.d[0] : 0;
  gint32     *data  = g_new (gint32, count + skip);
  gdouble    *seen  = g_new (gdouble, count);

  for (gsize i = 0; i < count + skip; i++)
    data[i] = g_rand_int_range (bench->random, 0, limit);
  for (gsize i = 0; i < count; i++)
    seen[i] = (gdouble) data[skip + i];
  *values = seen;

  return add_input (bench, PAL_I32, shape, data, seen);
}

/* → sum ((y - reference)²) / sum (reference²); *worst: the element that is furthest off. */
static gdouble
compare (const gfloat *y, const gdouble *reference, gsize count, gsize *worst)
{
  gdouble error = 0.0, norm = 0.0, most = 0.0;

  *worst = 0;
  for (gsize i = 0; i < count; i++)
    {
      const gdouble d = (gdouble) y[i] - reference[i];

      if (! isfinite (y[i]) || fabs (d) > most)
        {
          most   = fabs (d);
          *worst = i;
        }
      error += d * d;
      norm += reference[i] * reference[i];
    }

  return error / MAX (norm, 1e-30);
}

static PalProgram *
finish (Bench *bench, PalTensor *y, PalShape shape)
{
  g_autoptr (GError) error = NULL;
  PalProgram *program;

  pal_output (bench->tape, "y", y);
  program = pal_tape_finish (bench->tape, 0, &error);
  g_assert_no_error (error);
  g_assert_true (pal_shape_equal (pal_program_shape (program, "y"), shape));

  return program;
}

static void
run_into (Bench *bench, PalProgram *program, gfloat *y, gsize count)
{
  g_autoptr (GError) error = NULL;

  bench->bindings[bench->n_inputs] = (PalBinding) { "y", y, count * sizeof (gfloat) };
  pal_program_run (program, bench->bindings, bench->n_inputs + 1, NULL, &error);
  g_assert_no_error (error);
}

void
bench_check (Bench *bench, PalTensor *y, PalShape shape, const gdouble *reference, gdouble nmse)
{
  const gsize        count       = count_of (shape);
  g_autofree gfloat *first       = g_new0 (gfloat, count);
  g_autofree gfloat *second      = g_new0 (gfloat, count);
  g_autoptr (PalProgram) program = finish (bench, y, shape);
  gdouble            error;
  gsize              worst;

  run_into (bench, program, first, count);
  error = compare (first, reference, count, &worst);

  /* Written so that NaN is wrong. */
  if (bench_timer)
    {
      bench_timer (program, bench->bindings, bench->n_inputs + 1, error, error <= nmse,
                   bench_timer_data);
      return;
    }

  g_test_message ("%s: nmse %.2e", bench->name, error);
  if (! (error <= nmse))
    g_test_fail_printf ("%s: nmse %.3e > %.1e; worst: element %" G_GSIZE_FORMAT
                        " is %g, not %g",
                        bench->name, error, nmse, worst, (gdouble) first[worst],
                        reference[worst]);

  run_into (bench, program, second, count);
  g_assert_cmpmem (first, count * sizeof (gfloat), second, count * sizeof (gfloat));
}

gdouble
reference_act (PalAct act, gdouble x)
{
  const gdouble u = sqrt (2.0 / G_PI) * (x + 0.044715 * x * x * x);

  switch (act)
    {
    case PAL_ACT_SILU:
      return x / (1.0 + exp (-x));
    case PAL_ACT_GELU:
      return 0.5 * x * (1.0 + erf (x / sqrt (2.0)));
    case PAL_ACT_GELU_TANH:
      return 0.5 * x * (1.0 + tanh (u));
    case PAL_ACT_QUICK_GELU:
      return x / (1.0 + exp (-1.702 * x));
    case PAL_ACT_RELU:
      return MAX (x, 0.0);
    default:
      return x;
    }
}

void
bench_refuse (Bench *bench, PalShape shape, const BenchRefusal *refusal)
{
  g_autoptr (GError) error = NULL;
  gdouble   *values;
  PalTensor *x;

  bench_record (bench);
  x = refusal->record (bench->tape, bench_input (bench, shape, 1.0, 0.0, &values));
  pal_output (bench->tape, "y", pal_act (bench->tape, x, PAL_ACT_SILU));
  g_assert_null (pal_tape_finish (bench->tape, 0, &error));
  test_error (error, refusal->code, refusal->text);
}
