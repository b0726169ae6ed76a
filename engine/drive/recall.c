/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A denoiser made of one picture's patches, under the forms of a network.
 *
 * If every patch of a picture is as likely as any other, the clean patch that a noisy
 * one x = a p + s n is expected to be is known in closed form: the mean of all patches,
 * each weighted by exp (-|x - a p|^2 / 2 s^2) (Kamb and Ganguli, arXiv 2412.20292; the
 * patches of one picture as a generator: GPNN, arXiv 2103.15545). These weights are a
 * softmax of products, so the step is an attention layer whose keys and values are the
 * patches. A retrieved exemplar beside a network: arXiv 2204.11824.
 *
 * Reference: training/exemplars.py, whose numbers default-fill holds. Easy to get wrong:
 *   - the exemplar loses its mean, and the latents a times the network's smoothed guess,
 *     so that patches compare detail, whatever its colour and light;
 *   - a neighbour outside the mask is replaced by the one opposite, else by the cell;
 *   - patches are compared whole, but only their 3x3 middle votes. */

#include "drive/recall.h"

#include <math.h>
#include <string.h>

#include "base/debug.h"

#define VOTE 3                     /* cells, side of the middle that votes */
#define N_VOTES (VOTE * VOTE)

/* Below, the nearest patch alone counts in any case. */
#define LEAST_NOISE 0.02

/* Queries are padded to a multiple, so that few programs serve all selections. */
#define QUERIES 256

typedef struct
{
  gint    n_patches;
  gfloat *keys, *values;           /* [n_patches, width] */
} Stage;

struct _PalRecall
{
  PalModel                 *model;
  const PalExemplars       *exemplars;
  const PalExemplarsConfig *config;
  const gchar              *label;
  guint64                   seed;

  const PalExemplar        *exemplar;     /* chosen at the first call */
  gint                      row;          /* floats of a query, key or value */
  Stage                     stages[PAL_EXEMPLARS_MAX_STAGES];
  gfloat                    vote[N_VOTES];
  gfloat                   *kernel;       /* of the Gaussian that smooths, [2 reach + 1] */
  gint                      reach;

  gint                      width, height;
  gsize                     n_inside, n_queries;   /* painted cells; the same, padded */
  guint8                   *inside;                /* [height, width] */
  gint                     *cells;                 /* [n_inside] */
  gfloat                   *clean;                 /* [height, width, L] */
  gfloat                   *form;                  /* [height, width, form channels] */
  gfloat                   *blurred, *weight;      /* [height, width] */
  gfloat                   *queries, *found;       /* [n_queries, row] */
  gfloat                   *sum, *votes;           /* [height, width, L]; [height, width] */
};

/* Half of a Gaussian's normalised weights, radius on each side. */
static void
gaussian (gdouble sigma, gint radius, gfloat *out)
{
  gdouble total = 0.0;

  for (gint i = -radius; i <= radius; i++)
    total += exp (-(gdouble) (i * i) / (2.0 * sigma * sigma));
  for (gint i = -radius; i <= radius; i++)
    out[i + radius] = (gfloat) (exp (-(gdouble) (i * i) / (2.0 * sigma * sigma)) / total);
}

PalRecall *
pal_recall_new (PalModel *model, const gchar *prompt, guint64 seed)
{
  const PalExemplars *exemplars = pal_model_exemplars (model);
  const gchar *label = exemplars && prompt ? pal_exemplars_label (exemplars, prompt) : NULL;
  PalRecall *recall;
  gfloat side[VOTE];

  if (! label)
    return NULL;

  recall = g_new0 (PalRecall, 1);
  recall->model = model;
  recall->exemplars = exemplars;
  recall->config = pal_exemplars_config (exemplars);
  recall->label = label;
  recall->seed = seed;

  gaussian (recall->config->vote_smooth, VOTE / 2, side);
  for (gint i = 0; i < N_VOTES; i++)
    recall->vote[i] = side[i / VOTE] * side[i % VOTE];

  recall->reach = (gint) (3.0 * recall->config->form_smooth);
  recall->kernel = g_new (gfloat, 2 * recall->reach + 1);
  gaussian (recall->config->form_smooth, recall->reach, recall->kernel);

  /* The longest query, with one more for its patch's energy, or the votes. */
  recall->row = N_VOTES * recall->config->channels;
  for (guint i = 0; i < recall->config->n_stages; i++)
    {
      const PalExemplarStage *stage = &recall->config->stages[i];

      recall->row = MAX (recall->row, stage->side * stage->side * stage->channels + 1);
    }

  return recall;
}

/* What belongs to one placing. */
static void
unplace (PalRecall *recall)
{
  g_clear_pointer (&recall->inside, g_free);
  g_clear_pointer (&recall->cells, g_free);
  g_clear_pointer (&recall->clean, g_free);
  g_clear_pointer (&recall->form, g_free);
  g_clear_pointer (&recall->blurred, g_free);
  g_clear_pointer (&recall->weight, g_free);
  g_clear_pointer (&recall->queries, g_free);
  g_clear_pointer (&recall->found, g_free);
  g_clear_pointer (&recall->sum, g_free);
  g_clear_pointer (&recall->votes, g_free);
}

void
pal_recall_free (PalRecall *recall)
{
  unplace (recall);
  for (guint i = 0; i < G_N_ELEMENTS (recall->stages); i++)
    {
      g_free (recall->stages[i].keys);
      g_free (recall->stages[i].values);
    }
  g_free (recall->kernel);
  g_free (recall);
}

const gchar *
pal_recall_label (const PalRecall *recall)
{
  return recall->label;
}

static gboolean
reserve (gfloat **out, gsize n, gsize each, GError **error)
{
  *out = pal_try_alloc (n * each * sizeof (gfloat));
  if (*out)
    return TRUE;

  g_set_error (error, PAL_ERROR, PAL_ERROR_MEMORY,
               "not enough memory to recall detail for %" G_GSIZE_FORMAT " latents; choose a "
               "smaller region", n);
  return FALSE;
}

gboolean
pal_recall_place (PalRecall *recall, gint width, gint height, const gfloat *mask, GError **error)
{
  gsize n = (gsize) width * (gsize) height, row = (gsize) recall->row;
  gsize channels = (gsize) recall->config->channels;

  unplace (recall);
  recall->width = width;
  recall->height = height;
  recall->n_inside = 0;
  recall->inside = g_new0 (guint8, n);
  recall->cells = g_new (gint, n);

  for (gsize i = 0; i < n; i++)
    if (! mask || mask[i] > 0.0f)
      {
        recall->inside[i] = 1;
        recall->cells[recall->n_inside++] = (gint) i;
      }

  recall->n_queries = (recall->n_inside + QUERIES - 1) / QUERIES * QUERIES;

  return reserve (&recall->clean, n, channels, error) &&
         reserve (&recall->form, n, (gsize) recall->config->form_channels, error) &&
         reserve (&recall->blurred, n, 1, error) &&
         reserve (&recall->weight, n, 1, error) &&
         reserve (&recall->queries, recall->n_queries, row, error) &&
         reserve (&recall->found, recall->n_queries, row, error) &&
         reserve (&recall->sum, n, channels, error) &&
         reserve (&recall->votes, n, 1, error);
}

/* Gaussian mean of a plane along one direction, 0 beyond its ends. step, length: of that
 * direction in the plane; in and out must differ. */
static void
blur_along (const PalRecall *recall, const gfloat *in, gfloat *out, gint step, gint length)
{
  gint n = recall->width * recall->height;

  for (gint i = 0; i < n; i++)
    {
      gint at = i / step % length;
      gint first = MAX (-recall->reach, -at), last = MIN (recall->reach, length - 1 - at);
      gdouble sum = 0.0;

      for (gint k = first; k <= last; k++)
        sum += (gdouble) recall->kernel[k + recall->reach] * (gdouble) in[i + k * step];
      out[i] = (gfloat) sum;
    }
}

/* plane: smoothed in place; scratch: as large. */
static void
blur (const PalRecall *recall, gfloat *plane, gfloat *scratch)
{
  blur_along (recall, plane, scratch, recall->width, recall->height);
  blur_along (recall, scratch, plane, 1, recall->width);
}

/* form = the guess's first channels, smoothed over painted cells alone. */
static void
smooth_form (PalRecall *recall)
{
  gint n = recall->width * recall->height;
  gint channels = recall->config->channels, kept = recall->config->form_channels;
  gfloat *scratch = recall->votes;

  for (gint i = 0; i < n; i++)
    recall->weight[i] = recall->inside[i];
  blur (recall, recall->weight, scratch);

  for (gint c = 0; c < kept; c++)
    {
      for (gint i = 0; i < n; i++)
        recall->blurred[i] = recall->inside[i] ? recall->clean[i * channels + c] : 0.0f;
      blur (recall, recall->blurred, scratch);
      for (gint i = 0; i < n; i++)
        recall->form[i * kept + c] = recall->blurred[i] / MAX (recall->weight[i], 1e-6f);
    }
}

/* The exemplar that suits the first guess at the painted cells. */
static void
choose (PalRecall *recall)
{
  gint channels = recall->config->channels, kept = recall->config->form_channels;
  g_autofree gfloat *mean = g_new0 (gfloat, kept);

  for (gint c = 0; c < kept; c++)
    {
      gdouble sum = 0.0;

      for (gsize i = 0; i < recall->n_inside; i++)
        sum += (gdouble) recall->clean[recall->cells[i] * channels + c];
      mean[c] = (gfloat) (sum / (gdouble) recall->n_inside);
    }

  recall->exemplar = pal_exemplars_choose (recall->exemplars, recall->label, mean, recall->seed);
}

/* Copies the first kept channels of the side x side patch whose corner is at (y, x), channel
 * by channel; returns the sum of squares. */
static gdouble
cut_patch (const gfloat *cells, gint width, gint channels, gint y, gint x, gint side, gint kept,
           gfloat *out)
{
  gdouble energy = 0.0;

  for (gint c = 0; c < kept; c++)
    for (gint i = 0; i < side * side; i++)
      {
        gfloat v = cells[((y + i / side) * width + x + i % side) * channels + c];

        out[c * side * side + i] = v;
        energy += (gdouble) v * (gdouble) v;
      }

  return energy;
}

/* All patches of the exemplar as this stage compares them. A key ends with its patch's
 * energy, for which a query holds the factor. */
static gboolean
read_stage (PalRecall *recall, guint nth, GError **error)
{
  const PalExemplarStage *want = &recall->config->stages[nth];
  const PalExemplar *exemplar = recall->exemplar;
  gint channels = recall->config->channels, row = recall->row;
  gint across = exemplar->width - want->side + 1, down = exemplar->height - want->side + 1;
  gint middle = (want->side - VOTE) / 2, length = want->side * want->side * want->channels;
  Stage *stage = &recall->stages[nth];
  g_autofree gfloat *cells = NULL;

  if (stage->keys)
    return TRUE;

  if (! reserve (&cells, (gsize) exemplar->width * (gsize) exemplar->height, (gsize) channels,
                 error) ||
      ! reserve (&stage->keys, (gsize) across * (gsize) down, (gsize) row, error) ||
      ! reserve (&stage->values, (gsize) across * (gsize) down, (gsize) row, error))
    return FALSE;

  pal_exemplars_read (recall->exemplars, exemplar, cells);
  stage->n_patches = across * down;
  memset (stage->keys, 0, (gsize) stage->n_patches * (gsize) row * sizeof (gfloat));
  memset (stage->values, 0, (gsize) stage->n_patches * (gsize) row * sizeof (gfloat));

  for (gint i = 0; i < stage->n_patches; i++)
    {
      gint y = i / across, x = i % across;
      gfloat *key = stage->keys + (gsize) i * (gsize) row;

      key[length] = (gfloat) cut_patch (cells, exemplar->width, channels, y, x, want->side,
                                        want->channels, key);
      cut_patch (cells, exemplar->width, channels, y + middle, x + middle, VOTE, channels,
                 stage->values + (gsize) i * (gsize) row);
    }

  return TRUE;
}

/* The painted cell at (y, x), or -1. */
static gint
inside_at (const PalRecall *recall, gint y, gint x)
{
  gint at = y * recall->width + x;

  return y >= 0 && y < recall->height && x >= 0 && x < recall->width && recall->inside[at] ? at
                                                                                          : -1;
}

/* The cell that stands for the neighbour (dy, dx) of a painted one. */
static gint
neighbour (const PalRecall *recall, gint cell, gint dy, gint dx)
{
  gint y = cell / recall->width, x = cell % recall->width;
  gint at = inside_at (recall, y + dy, x + dx);

  if (at < 0)
    at = inside_at (recall, y - dy, x - dx);

  return at < 0 ? cell : at;
}

/* The patch of detail around every painted cell: x without the form's share. */
static void
write_queries (PalRecall *recall, const PalExemplarStage *stage, const PalSamplingLevel *level,
               const gfloat *x)
{
  gint channels = recall->config->channels, formed = recall->config->form_channels;
  gint side = stage->side, area = side * side;
  gdouble noise = MAX (level->noise, LEAST_NOISE);
  gfloat factor = (gfloat) (level->signal / (noise * noise));

  memset (recall->queries, 0, recall->n_queries * (gsize) recall->row * sizeof (gfloat));

  for (gsize i = 0; i < recall->n_inside; i++)
    {
      gfloat *query = recall->queries + i * (gsize) recall->row;

      for (gint k = 0; k < area; k++)
        {
          gint at = neighbour (recall, recall->cells[i], k / side - side / 2, k % side - side / 2);

          for (gint c = 0; c < stage->channels; c++)
            {
              gfloat form = c < formed ? recall->form[at * formed + c] : 0.0f;

              query[c * area + k] =
                factor * (x[at * channels + c] - (gfloat) level->signal * form);
            }
        }
      query[area * stage->channels] = -0.5f * (gfloat) level->signal * factor;
    }
}

/* clean = the mean of the votes for each painted cell, and the form. */
static void
count_votes (PalRecall *recall)
{
  gint channels = recall->config->channels, formed = recall->config->form_channels;
  gsize n = (gsize) recall->width * (gsize) recall->height;

  memset (recall->sum, 0, n * (gsize) channels * sizeof (gfloat));
  memset (recall->votes, 0, n * sizeof (gfloat));

  for (gsize i = 0; i < recall->n_inside; i++)
    for (gint k = 0; k < N_VOTES; k++)
      {
        const gfloat *found = recall->found + i * (gsize) recall->row;
        gint cell = recall->cells[i];
        gint at = inside_at (recall, cell / recall->width + k / VOTE - VOTE / 2,
                             cell % recall->width + k % VOTE - VOTE / 2);

        if (at < 0)
          continue;

        recall->votes[at] += recall->vote[k];
        for (gint c = 0; c < channels; c++)
          recall->sum[at * channels + c] += recall->vote[k] * found[c * N_VOTES + k];
      }

  for (gsize i = 0; i < recall->n_inside; i++)
    for (gint c = 0; c < channels; c++)
      {
        gint at = recall->cells[i];

        recall->clean[at * channels + c] =
          recall->sum[at * channels + c] / recall->votes[at] +
          (c < formed ? recall->form[at * formed + c] : 0.0f);
      }
}

gboolean
pal_recall_apply (PalRecall *recall, const PalSampling *sampling, gint call, const gfloat *x,
                  gfloat *output, GCancellable *cancellable, GError **error)
{
  PalSamplingLevel level = pal_sampling_level (sampling, call);
  gsize channels = (gsize) recall->config->channels;
  gsize n = (gsize) recall->width * (gsize) recall->height * channels;
  guint nth = 0;
  const Stage *stage;

  /* A sampler's last call may be of a clean picture already. */
  if (recall->n_inside == 0 || level.noise <= 0.0)
    return TRUE;

  for (gsize i = 0; i < n; i++)
    recall->clean[i] = (gfloat) (level.of_latents * (gdouble) x[i] +
                                 level.of_output * (gdouble) output[i]);

  if (! recall->exemplar)
    choose (recall);

  while (nth + 1 < recall->config->n_stages &&
         level.noise / (level.signal + level.noise) <= recall->config->stages[nth].above)
    nth++;

  if (! read_stage (recall, nth, error))
    return FALSE;

  stage = &recall->stages[nth];
  smooth_form (recall);
  write_queries (recall, &recall->config->stages[nth], &level, x);

  if (! pal_model_match (recall->model,
                         &(PalMatch) { .n_queries = (gint) recall->n_queries,
                                       .n_keys = stage->n_patches, .width = recall->row,
                                       .queries = recall->queries, .keys = stage->keys,
                                       .values = stage->values },
                         recall->found, cancellable, error))
    return FALSE;

  count_votes (recall);
  for (gsize i = 0; i < n; i++)
    if (recall->inside[i / channels])
      output[i] = (gfloat) (((gdouble) recall->clean[i] - level.of_latents * (gdouble) x[i]) /
                            level.of_output);

  return TRUE;
}
