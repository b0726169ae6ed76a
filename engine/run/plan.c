/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The plan: lifetimes of tensors and their places in shared slabs.
 *
 * Offset assignment: Pisarchyk and Lee, "Efficient Memory Management for Deep Neural
 * Net Inference", arXiv 2001.03288, section 5.2 "Greedy by Size": the largest tensor
 * first, each at the lowest place that is free over its whole lifetime. Easy to get
 * wrong: lifetimes include both ends, since a step reads its inputs while it writes
 * its output; a view keeps its base alive; an output lives to the end
 * (tests/unit/device/test-plan.c). */

#include "run/private.h"

#include "base/debug.h"

/* What needs memory of its own: a tensor with all that later take its place. */
typedef struct
{
  PalTensor *tensor;
  gsize      n_bytes;           /* aligned, with guards */
  gsize      offset_bytes;
  guint      slab;
} Item;

typedef struct
{
  GArray *slab_bytes;           /* gsize */
  GArray *places;               /* PalPlace, one for each item */
  guint64 total;
} Layout;

static PalTensor *
home_of (PalTensor *tensor)
{
  return tensor->home ? tensor->home : tensor;
}

/* Lifetimes */

static void
find_lifetimes (PalTape *tape)
{
  for (guint i = 0; i < tape->tensors->len; i++)
    {
      PalTensor *tensor = g_ptr_array_index (tape->tensors, i);

      tensor->first = tensor->last = -1;
      tensor->home = NULL;
    }

  for (guint s = 0; s < tape->steps->len; s++)
    {
      PalStep *step = g_ptr_array_index (tape->steps, s);

      for (guint i = 0; i < step->n_in; i++)
        pal_tensor_base (step->in[i])->last = (gint) s;
      for (guint i = 0; i < step->n_scratch; i++)
        step->scratch[i]->first = step->scratch[i]->last = (gint) s;

      step->out->first = step->out->last = (gint) s;
    }

  for (guint i = 0; i < tape->outputs->len; i++)
    {
      PalPort *port = g_ptr_array_index (tape->outputs, i);

      pal_tensor_base (port->tensor)->last = (gint) tape->steps->len;
    }
}

/* Whether the step's output may take the place of its input i: that holds exactly
 * as many bytes, nothing reads it later, and no other input shows the same memory. */
static gboolean
may_take_place (const PalStep *step,
                guint          s,
                guint          i)
{
  const PalTensor *base = pal_tensor_base (step->in[i]);

  if ((step->op->in_place & (1u << i)) == 0 || base->last != (gint) s ||
      base->count != step->out->count || base->dtype != step->out->dtype ||
      step->in[i]->count != base->count)
    return FALSE;

  for (guint j = 0; j < step->n_in; j++)
    if (j != i && pal_tensor_base (step->in[j]) == base)
      return FALSE;

  return TRUE;
}

static void
find_homes (PalTape *tape)
{
  for (guint s = 0; s < tape->steps->len; s++)
    {
      PalStep *step = g_ptr_array_index (tape->steps, s);

      for (guint i = 0; i < step->n_in && ! step->out->home; i++)
        if (may_take_place (step, s, i))
          {
            step->out->home       = home_of (pal_tensor_base (step->in[i]));
            step->out->home->last = step->out->last;
          }
    }
}

/* Items */

static GArray *
collect_items (PalTape              *tape,
               const PalPlanOptions *options,
               GError              **error)
{
  g_autoptr (GArray) items = g_array_new (FALSE, TRUE, sizeof (Item));

  for (guint i = 0; i < tape->tensors->len; i++)
    {
      PalTensor *tensor = g_ptr_array_index (tape->tensors, i);
      Item       item   = { .tensor = tensor };

      if (tensor->base || tensor->home)
        continue;

      if (! g_size_checked_add (&item.n_bytes, tensor->n_bytes,
                                PAL_PLACE_BYTES - 1 + 2 * options->guard_bytes) ||
          (item.n_bytes -= item.n_bytes % PAL_PLACE_BYTES) > options->max_slab_bytes)
        {
          g_autofree gchar *shape = pal_shape_text (tensor->shape);
          g_autofree gchar *want  = g_format_size_full (tensor->n_bytes,
                                                        G_FORMAT_SIZE_IEC_UNITS);
          g_autofree gchar *most  = g_format_size_full (options->max_slab_bytes,
                                                        G_FORMAT_SIZE_IEC_UNITS);

          g_set_error (error, PAL_ERROR, PAL_ERROR_MEMORY,
                       "%s: the result %s needs %s, but the device allows no more than %s "
                       "at once; work on a smaller part of the image",
                       tensor->label, shape, want, most);
          return NULL;
        }

      g_array_append_val (items, item);
    }

  return g_steal_pointer (&items);
}

/* The largest sum of what lives at one time. */
static guint64
find_bound (GArray *items,
            guint   n_steps)
{
  g_autofree gint64 *change = g_new0 (gint64, n_steps + 3);   /* index: step + 1 */
  gint64 live = 0, most = 0;

  for (guint i = 0; i < items->len; i++)
    {
      const Item *item = &g_array_index (items, Item, i);

      change[item->tensor->first + 1] += (gint64) item->n_bytes;
      change[item->tensor->last + 2] -= (gint64) item->n_bytes;
    }

  for (guint s = 0; s < n_steps + 2; s++)
    {
      live += change[s];
      most = MAX (most, live);
    }

  return (guint64) most;
}

/* Placement */

static gint
larger_first (gconstpointer a,
              gconstpointer b)
{
  const Item *x = a, *y = b;

  if (x->n_bytes != y->n_bytes)
    return x->n_bytes < y->n_bytes ? 1 : -1;

  return x->tensor->first - y->tensor->first;
}

/* Area of the rectangle bytes x steps. */
static gint
heavier_first (gconstpointer a,
               gconstpointer b)
{
  const Item   *x  = a, *y = b;
  const gdouble wx = (gdouble) x->n_bytes * (x->tensor->last - x->tensor->first + 1);
  const gdouble wy = (gdouble) y->n_bytes * (y->tensor->last - y->tensor->first + 1);

  if (wx < wy || wx > wy)
    return wx < wy ? 1 : -1;

  return x->tensor->first - y->tensor->first;
}

/* As a stack allocator would meet them. */
static gint
earlier_first (gconstpointer a,
               gconstpointer b)
{
  const Item *x = a, *y = b;

  if (x->tensor->first != y->tensor->first)
    return x->tensor->first - y->tensor->first;

  return y->tensor->last - x->tensor->last;
}

static gboolean
overlap (const Item *a,
         const Item *b)
{
  return a->tensor->first <= b->tensor->last && b->tensor->first <= a->tensor->last;
}

/* Lowest free offset for the item among those placed in a slab, which stand sorted by
 * offset. Returns its position in that list. */
static guint
lowest_gap (GPtrArray  *placed,
            const Item *item,
            gsize      *offset_bytes)
{
  gsize end = 0;

  for (guint i = 0; i < placed->len; i++)
    {
      const Item *other = g_ptr_array_index (placed, i);

      if (! overlap (item, other))
        continue;
      if (other->offset_bytes >= end && other->offset_bytes - end >= item->n_bytes)
        break;

      end = MAX (end, other->offset_bytes + other->n_bytes);
    }

  *offset_bytes = end;
  for (guint i = 0; i < placed->len; i++)
    if (((Item *) g_ptr_array_index (placed, i))->offset_bytes >= end)
      return i;

  return placed->len;
}

static void
place_item (GPtrArray *slabs,
            Item      *item,
            gsize      max_slab_bytes)
{
  for (item->slab = 0;; item->slab++)
    {
      GPtrArray *placed;
      guint      position;

      if (item->slab == slabs->len)
        g_ptr_array_add (slabs, g_ptr_array_new ());

      placed   = g_ptr_array_index (slabs, item->slab);
      position = lowest_gap (placed, item, &item->offset_bytes);

      if (item->n_bytes <= max_slab_bytes - MIN (max_slab_bytes, item->offset_bytes))
        {
          g_ptr_array_insert (placed, (gint) position, item);
          return;
        }
    }
}

static GArray *
measure_slabs (GArray  *items,
               guint64 *total)
{
  GArray *slab_bytes = g_array_new (FALSE, TRUE, sizeof (gsize));

  for (guint i = 0; i < items->len; i++)
    {
      const Item *item = &g_array_index (items, Item, i);
      gsize      *bytes;

      if (item->slab >= slab_bytes->len)
        g_array_set_size (slab_bytes, item->slab + 1);

      bytes  = &g_array_index (slab_bytes, gsize, item->slab);
      *bytes = MAX (*bytes, item->offset_bytes + item->n_bytes);
    }

  *total = 0;
  for (guint i = 0; i < slab_bytes->len; i++)
    *total += g_array_index (slab_bytes, gsize, i);

  return slab_bytes;
}

/* Writes the items' places to their tensors. */
static void
keep_places (GArray *items,
             gsize   guard_bytes)
{
  for (guint i = 0; i < items->len; i++)
    {
      const Item *item = &g_array_index (items, Item, i);

      item->tensor->place.slab         = item->slab;
      item->tensor->place.offset_bytes = item->offset_bytes + guard_bytes;
    }
}

/* Greedy by size is within some percent of the bound; which of the orders is best
 * depends on the list, and trying them all costs milliseconds. */
static void
place_shared (GArray               *items,
              const PalPlanOptions *options,
              PalPlan              *plan)
{
  const GCompareFunc orders[] = { larger_first, heavier_first, earlier_first };

  for (guint k = 0; k < G_N_ELEMENTS (orders) && plan->arena_bytes != plan->bound_bytes; k++)
    {
      g_autoptr (GPtrArray) slabs =
        g_ptr_array_new_with_free_func ((GDestroyNotify) g_ptr_array_unref);
      g_autoptr (GArray) slab_bytes = NULL;
      guint64 total;

      g_array_sort (items, orders[k]);
      for (guint i = 0; i < items->len; i++)
        place_item (slabs, &g_array_index (items, Item, i), options->max_slab_bytes);

      slab_bytes = measure_slabs (items, &total);
      if (plan->slab_bytes && total >= plan->arena_bytes)
        continue;

      g_clear_pointer (&plan->slab_bytes, g_array_unref);
      plan->slab_bytes  = g_steal_pointer (&slab_bytes);
      plan->arena_bytes = total;
      keep_places (items, options->guard_bytes);
    }
}

static void
place_separate (GArray               *items,
                const PalPlanOptions *options,
                PalPlan              *plan)
{
  for (guint i = 0; i < items->len; i++)
    g_array_index (items, Item, i).slab = i;

  plan->slab_bytes = measure_slabs (items, &plan->arena_bytes);
  keep_places (items, options->guard_bytes);
}

static void
log_plan (GArray        *items,
          const PalPlan *plan)
{
  g_array_sort (items, earlier_first);

  for (guint i = 0; i < items->len; i++)
    {
      const PalTensor *x     = g_array_index (items, Item, i).tensor;
      g_autofree gchar *shape = pal_shape_text (x->shape);

      pal_debug_log (PAL_DEBUG_PLAN, "steps %d to %d, slab %u at %" G_GSIZE_FORMAT ", %"
                     G_GSIZE_FORMAT " bytes: %s %s %s", x->first, x->last, x->place.slab,
                     x->place.offset_bytes, x->n_bytes, x->label,
                     pal_dtype_name (x->dtype), shape);
    }

  pal_debug_log (PAL_DEBUG_PLAN, "%" G_GUINT64_FORMAT " bytes in %u slabs, at least %"
                 G_GUINT64_FORMAT, plan->arena_bytes, plan->slab_bytes->len,
                 plan->bound_bytes);
}

gboolean
pal_plan (PalTape               *tape,
          const PalPlanOptions  *options,
          PalPlan               *plan,
          GError               **error)
{
  g_autoptr (GArray) items = NULL;

  *plan = (PalPlan) { 0 };

  find_lifetimes (tape);
  if (! options->separate)
    find_homes (tape);

  if (! (items = collect_items (tape, options, error)))
    return FALSE;

  plan->n_tensors   = items->len;
  plan->bound_bytes = find_bound (items, tape->steps->len);

  if (options->separate)
    place_separate (items, options, plan);
  else
    place_shared (items, options, plan);

  if (! plan->slab_bytes)
    plan->slab_bytes = g_array_new (FALSE, TRUE, sizeof (gsize));

  for (guint i = 0; i < tape->tensors->len; i++)
    {
      PalTensor *tensor = g_ptr_array_index (tape->tensors, i);

      if (tensor->home)
        tensor->place = tensor->home->place;
    }

  if (pal_debug (PAL_DEBUG_PLAN))
    log_plan (items, plan);

  return TRUE;
}

void
pal_plan_clear (PalPlan *plan)
{
  g_clear_pointer (&plan->slab_bytes, g_array_unref);
}
