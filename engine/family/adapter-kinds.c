/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The kinds of adapters: how the change of a weight is made of an adapter's tensors.
 *
 * Papers: LoRA (arXiv 2106.09685), LoHa (FedPara, 2108.06098), LoKr (LyCORIS,
 *   2309.14859), DoRA (2402.09353).
 * Reference: KohakuBlueleaf/LyCORIS:lycoris/modules/{locon,loha,lokr}.py (Apache-2.0),
 *   huggingface/peft:src/peft/tuners/lora/dora.py (Apache-2.0).
 * Easy to get wrong: alpha is divided by the rank, which is the inner dimension of the
 *   first product; a Kronecker product of two whole factors has no rank and ignores alpha;
 *   the magnitude of DoRA belongs to the changed weight, and its own shape says whether to
 *   the outputs or to the inputs. All guarded by tests/unit/model/test-adapter.c, with
 *   numbers of tests/tools/adapters.py. */

#include "family/adapter.h"

#include <math.h>
#include <string.h>

#include "base/debug.h"
#include "base/dtype.h"

static const struct
{
  const gchar *suffix;
  PalRole      role;
} suffixes[] = {
  { ".lora_down.weight", PAL_ROLE_DOWN },
  { ".lora_up.weight", PAL_ROLE_UP },
  { ".lora_mid.weight", PAL_ROLE_MID },
  { ".lora_A.weight", PAL_ROLE_DOWN },
  { ".lora_B.weight", PAL_ROLE_UP },
  { ".lora.down.weight", PAL_ROLE_DOWN },
  { ".lora.up.weight", PAL_ROLE_UP },
  { "_lora.down.weight", PAL_ROLE_DOWN },
  { "_lora.up.weight", PAL_ROLE_UP },
  { ".hada_w1_a", PAL_ROLE_HADA_1A },
  { ".hada_w1_b", PAL_ROLE_HADA_1B },
  { ".hada_t1", PAL_ROLE_HADA_T1 },
  { ".hada_w2_a", PAL_ROLE_HADA_2A },
  { ".hada_w2_b", PAL_ROLE_HADA_2B },
  { ".hada_t2", PAL_ROLE_HADA_T2 },
  { ".lokr_w1", PAL_ROLE_KRON_1 },
  { ".lokr_w1_a", PAL_ROLE_KRON_1A },
  { ".lokr_w1_b", PAL_ROLE_KRON_1B },
  { ".lokr_w2", PAL_ROLE_KRON_2 },
  { ".lokr_w2_a", PAL_ROLE_KRON_2A },
  { ".lokr_w2_b", PAL_ROLE_KRON_2B },
  { ".lokr_t2", PAL_ROLE_KRON_T2 },
  { ".diff", PAL_ROLE_DIFF },
  { ".alpha", PAL_ROLE_ALPHA },
  { ".dora_scale", PAL_ROLE_MAGNITUDE },
  { ".lora_magnitude_vector", PAL_ROLE_MAGNITUDE },
  { ".lora_magnitude_vector.weight", PAL_ROLE_MAGNITUDE },
};

gboolean
pal_adapter_role (const gchar *name, PalRole *role, gsize *length)
{
  for (gsize i = 0; i < G_N_ELEMENTS (suffixes); i++)
    if (g_str_has_suffix (name, suffixes[i].suffix))
      {
        *role = suffixes[i].role;
        *length = strlen (name) - strlen (suffixes[i].suffix);
        return TRUE;
      }

  return FALSE;
}

/* A tensor widened: rows by columns, dimensions after the second joined to the columns. Dry
 * ones have sizes alone: they tell what a change comes to before it is made. */
typedef struct
{
  gboolean ok;                /* sizes fit so far, and there was memory */
  gboolean dry;
  gsize    rows, columns;
  gfloat  *x;
} Matrix;

static void
matrix_clear (Matrix *m)
{
  g_clear_pointer (&m->x, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Matrix, matrix_clear)

static Matrix
matrix_new (gsize rows, gsize columns, gboolean dry)
{
  Matrix m = { rows > 0 && columns > 0, dry, rows, columns, NULL };

  if (! dry && m.ok)
    {
      m.x = pal_try_alloc (rows * columns * sizeof (gfloat));
      m.ok = m.x != NULL;
      if (m.ok)
        memset (m.x, 0, rows * columns * sizeof (gfloat));
    }

  return m;
}

static Matrix
matrix_of (const PalWeightView *view, gboolean dry)
{
  gsize n = 0, rows = view->shape.n > 0 ? (gsize) view->shape.d[0] : 1;
  Matrix m = { 0 };

  if (! pal_shape_count (view->shape, &n) || rows == 0)
    return m;

  m = matrix_new (rows, n / rows, dry);
  if (m.x)
    pal_to_float (view->dtype, view->data, m.x, n);
  return m;
}

/* [N, K] [K, M] → [N, M] */
static Matrix
product (Matrix a, Matrix b)
{
  Matrix out = { 0 };

  if (! a.ok || ! b.ok || a.columns != b.rows)
    return out;

  out = matrix_new (a.rows, b.columns, a.dry);
  for (gsize i = 0; out.x && i < a.rows; i++)
    for (gsize k = 0; k < a.columns; k++)
      for (gsize j = 0; j < b.columns; j++)
        out.x[i * b.columns + j] += a.x[i * a.columns + k] * b.x[k * b.columns + j];

  return out;
}

static Matrix
transposed (Matrix a)
{
  Matrix out = { 0 };

  if (! a.ok)
    return out;

  out = matrix_new (a.columns, a.rows, a.dry);
  for (gsize i = 0; out.x && i < a.rows * a.columns; i++)
    out.x[i % a.columns * a.rows + i / a.columns] = a.x[i];
  return out;
}

/* core: [P, Q, taps], left: [M, P], right: [Q, C] → [M, C taps]: of a convolution, with its
 * middle apart. */
static Matrix
tucker (const PalWeightView *core, Matrix left, Matrix right)
{
  g_auto (Matrix) middle = matrix_of (core, left.dry);
  g_auto (Matrix) mixed = product (left, middle);       /* [M, Q taps] */
  Matrix out = { 0 };
  gsize taps;

  if (! mixed.ok || ! right.ok || core->shape.n < 3 || core->shape.d[1] != (gint64) right.rows)
    return out;

  taps = mixed.columns / right.rows;
  out = matrix_new (left.rows, right.columns * taps, left.dry);
  for (gsize i = 0; out.x && i < out.rows * mixed.columns; i++)
    {
      gsize m = i / mixed.columns, q = i % mixed.columns / taps, t = i % taps;

      for (gsize c = 0; c < right.columns; c++)
        out.x[m * out.columns + c * taps + t] += right.x[q * right.columns + c] * mixed.x[i];
    }

  return out;
}

static Matrix
whole_change (const PalAdapterLayer *l, gboolean dry)
{
  return matrix_of (l->roles[PAL_ROLE_DIFF], dry);
}

static Matrix
low_rank_change (const PalAdapterLayer *l, gboolean dry)
{
  g_auto (Matrix) up = matrix_of (l->roles[PAL_ROLE_UP], dry);
  g_auto (Matrix) down = matrix_of (l->roles[PAL_ROLE_DOWN], dry);

  return l->roles[PAL_ROLE_MID] ? tucker (l->roles[PAL_ROLE_MID], up, down) : product (up, down);
}

/* A factor that is given as two, and as three for a convolution: the first then stands the
 * other way round. core may be PAL_N_ROLES. */
static Matrix
factor (const PalAdapterLayer *l, PalRole a, PalRole b, PalRole core, gboolean dry)
{
  g_auto (Matrix) left = matrix_of (l->roles[a], dry);
  g_auto (Matrix) right = matrix_of (l->roles[b], dry);
  g_auto (Matrix) turned = { 0 };

  if (core == PAL_N_ROLES || ! l->roles[core])
    return product (left, right);

  turned = transposed (left);
  return tucker (l->roles[core], turned, right);
}

static Matrix
hadamard_change (const PalAdapterLayer *l, gboolean dry)
{
  Matrix out = factor (l, PAL_ROLE_HADA_1A, PAL_ROLE_HADA_1B, PAL_ROLE_HADA_T1, dry);
  g_auto (Matrix) second = factor (l, PAL_ROLE_HADA_2A, PAL_ROLE_HADA_2B, PAL_ROLE_HADA_T2, dry);

  out.ok = out.ok && second.ok && out.rows == second.rows && out.columns == second.columns;
  for (gsize i = 0; out.ok && out.x && i < out.rows * out.columns; i++)
    out.x[i] *= second.x[i];

  return out;
}

/* [A, B] x [C, D] → [A C, B D]: the columns of the second stay together, taps too. */
static Matrix
kronecker_change (const PalAdapterLayer *l, gboolean dry)
{
  g_auto (Matrix) a = l->roles[PAL_ROLE_KRON_1]
    ? matrix_of (l->roles[PAL_ROLE_KRON_1], dry)
    : factor (l, PAL_ROLE_KRON_1A, PAL_ROLE_KRON_1B, PAL_N_ROLES, dry);
  g_auto (Matrix) b = l->roles[PAL_ROLE_KRON_2]
    ? matrix_of (l->roles[PAL_ROLE_KRON_2], dry)
    : factor (l, PAL_ROLE_KRON_2A, PAL_ROLE_KRON_2B, PAL_ROLE_KRON_T2, dry);
  gsize columns = a.columns * b.columns;
  Matrix out = { 0 };

  if (! a.ok || ! b.ok)
    return out;

  out = matrix_new (a.rows * b.rows, columns, dry);
  for (gsize i = 0; out.x && i < out.rows * columns; i++)
    {
      gsize row = i / columns, column = i % columns;

      out.x[i] = a.x[row / b.rows * a.columns + column / b.columns] *
                 b.x[row % b.rows * b.columns + column % b.columns];
    }

  return out;
}

#define MOST_NEEDED 4

/* A kind is known by the tensors that it can't do without; the first that fits. rank: the
 * tensor whose first dimension alpha is divided by, when it is there. */
static const struct
{
  PalRole  needed[MOST_NEEDED];
  guint    n_needed;
  PalRole  rank;
  Matrix (*change) (const PalAdapterLayer *layer, gboolean dry);
} kinds[] = {
  { { PAL_ROLE_DOWN, PAL_ROLE_UP }, 2, PAL_ROLE_DOWN, low_rank_change },
  { { PAL_ROLE_HADA_1A, PAL_ROLE_HADA_1B, PAL_ROLE_HADA_2A, PAL_ROLE_HADA_2B }, 4,
    PAL_ROLE_HADA_1B, hadamard_change },
  { { PAL_ROLE_KRON_1, PAL_ROLE_KRON_2 }, 2, PAL_N_ROLES, kronecker_change },
  { { PAL_ROLE_KRON_1, PAL_ROLE_KRON_2A, PAL_ROLE_KRON_2B }, 3,
    PAL_ROLE_KRON_2B, kronecker_change },
  { { PAL_ROLE_KRON_1A, PAL_ROLE_KRON_1B, PAL_ROLE_KRON_2 }, 3,
    PAL_ROLE_KRON_1B, kronecker_change },
  { { PAL_ROLE_KRON_1A, PAL_ROLE_KRON_1B, PAL_ROLE_KRON_2A, PAL_ROLE_KRON_2B }, 4,
    PAL_ROLE_KRON_1B, kronecker_change },
  { { PAL_ROLE_DIFF }, 1, PAL_N_ROLES, whole_change },
};

/* The number of the layer's kind; that of all when it has none. */
static gsize
kind_of (const PalAdapterLayer *layer)
{
  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      guint have = 0;

      while (have < kinds[i].n_needed && layer->roles[kinds[i].needed[have]])
        have++;
      if (have == kinds[i].n_needed)
        return i;
    }

  return G_N_ELEMENTS (kinds);
}

/* alpha / rank; 1 where the file or the kind has none. */
static gdouble
scale_of (const PalAdapterLayer *layer, gsize kind)
{
  const PalWeightView *alpha = layer->roles[PAL_ROLE_ALPHA];
  PalRole role = kinds[kind].rank;
  gfloat value;

  if (! alpha || role == PAL_N_ROLES || ! layer->roles[role])
    return 1.0;

  pal_to_float (alpha->dtype, alpha->data, &value, 1);
  return (gdouble) value / (gdouble) layer->roles[role]->shape.d[0];
}

/* Elements of a tensor that a layer may lack. */
static gsize
count_of (const PalWeightView *view)
{
  gsize n = 0;

  if (view)
    pal_shape_count (view->shape, &n);
  return n;
}

static gboolean
fits (const PalAdapterLayer *layer, gsize kind, PalShape weight)
{
  Matrix change = kinds[kind].change (layer, TRUE);
  const PalWeightView *alpha = layer->roles[PAL_ROLE_ALPHA];
  gsize magnitudes = count_of (layer->roles[PAL_ROLE_MAGNITUDE]), n = 0;

  pal_shape_count (weight, &n);

  return change.ok && change.rows == (gsize) weight.d[0] && change.rows * change.columns == n &&
         (! alpha || count_of (alpha) == 1) &&
         (! layer->roles[PAL_ROLE_MAGNITUDE] ||
          (weight.n > 1 && (magnitudes == (gsize) weight.d[0] ||
                            magnitudes == (gsize) weight.d[1])));
}

gboolean
pal_adapter_layer_check (const PalAdapterLayer *layer, PalShape weight, GError **error)
{
  g_autofree gchar *shape = pal_shape_text (weight);
  gsize kind = kind_of (layer);

  if (kind == G_N_ELEMENTS (kinds))
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
                   "%s: the layer %s lacks a part of its change, or is of a kind that is not "
                   "built; LoRA, LoCon, LoHa, LoKr and DoRA are", layer->file, layer->name);
      return FALSE;
    }

  if (fits (layer, kind, weight))
    return TRUE;

  g_set_error (error, PAL_ERROR, PAL_ERROR_SHAPE,
               "%s: the layer %s does not change weights of the shape %s; use an adapter that was "
               "made for this model's family", layer->file, layer->name, shape);
  return FALSE;
}

/* changed: [N, C taps], the whole weight with its change. Each output's or input's length
 * becomes its magnitude. FALSE without memory. */
static gboolean
set_magnitudes (const PalWeightView *view, PalShape shape, gfloat *changed)
{
  gsize n = 0, outputs = (gsize) shape.d[0], inputs = (gsize) shape.d[1], count = count_of (view);
  gboolean by_output = count == outputs;
  g_auto (Matrix) magnitudes = matrix_of (view, FALSE);
  g_autofree gdouble *squares = pal_try_alloc (count * sizeof (gdouble));
  gsize taps;

  if (! magnitudes.ok || ! squares)
    return FALSE;

  pal_shape_count (shape, &n);
  taps = n / outputs / inputs;
  memset (squares, 0, count * sizeof (gdouble));

  for (gsize i = 0; i < n; i++)
    squares[by_output ? i / (n / outputs) : i / taps % inputs] +=
      (gdouble) changed[i] * (gdouble) changed[i];

  for (gsize i = 0; i < n; i++)
    {
      gsize k = by_output ? i / (n / outputs) : i / taps % inputs;

      if (squares[k] > 0.0)
        changed[i] *= magnitudes.x[k] / (gfloat) sqrt (squares[k]);
    }

  return TRUE;
}

gboolean
pal_adapter_layer_apply (const PalAdapterLayer *layer, PalShape shape, gfloat *weight,
                         GError **error)
{
  gsize kind = kind_of (layer), n = 0;
  gfloat scale = (gfloat) scale_of (layer, kind), strength = (gfloat) layer->strength;
  const PalWeightView *magnitudes = layer->roles[PAL_ROLE_MAGNITUDE];
  g_auto (Matrix) change = kinds[kind].change (layer, FALSE);
  gboolean ok = change.ok;

  pal_shape_count (shape, &n);

  for (gsize i = 0; ok && i < n; i++)
    change.x[i] = change.x[i] * scale + (magnitudes ? weight[i] : 0.0f);
  if (ok && magnitudes)
    ok = set_magnitudes (magnitudes, shape, change.x);

  for (gsize i = 0; ok && i < n; i++)
    weight[i] += strength * (change.x[i] - (magnitudes ? weight[i] : 0.0f));

  if (! ok)
    g_set_error (error, PAL_ERROR, PAL_ERROR_MEMORY, "%s: there is no memory to apply the layer %s",
                 layer->file, layer->name);
  return ok;
}
