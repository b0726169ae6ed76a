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
 *   - a neighbour outside the area is replaced by the one opposite, else by the cell;
 *   - patches are compared whole, but only their 3x3 middle votes;
 *   - a sky's exemplar is first taken as it lies, since clouds are larger than patches;
 *   - what lies around the area draws the form where its colour, not its distance to the
 *     guess, is one that the label's exemplars have. */

#include "drive/recall.h"

#include <math.h>
#include <string.h>

#include "drive/floats.h"
#include "drive/patches.h"
#include "drive/smooth.h"

/* Below, the nearest patch alone counts in any case. */
#define LEAST_NOISE 0.02

/* Queries are padded to a multiple, so that few programs serve all selections. */
#define QUERIES 256

/* One label of the prompt. */
typedef struct
{
  const PalExemplarLabel *label;
  PalSmooth               smooth;  /* of its form */
  gfloat                 *around;  /* [height, width]: how much a cell that is not painted
                                    * draws the form */
  PalPatches              patches; /* of its exemplar, chosen when it is first needed */
} Source;

struct _PalRecall
{
  PalModel                 *model;
  const PalExemplars       *exemplars;
  const PalExemplarsConfig *config;
  guint64                   seed;
  Source                    sources[PAL_EXEMPLARS_MAX_LABELS];
  guint                     n_sources;

  gint                      row;          /* floats of a query, key or value */
  gfloat                    vote[PAL_N_VOTES];

  gint                      width, height;
  PalSmooth                 smooth;           /* by which the cells are shared out */
  gint                      first_row, last_row;   /* with painted cells */
  guint8                   *painted;          /* [height, width]: 1 where painted */
  guint8                   *area;             /* [height, width]: 1 where of the source at hand */
  guint8                   *owner;            /* [height, width]: the source of a painted cell */
  gint                     *cells;            /* those of the area, [n_cells] */
  gsize                     n_cells, n_queries;   /* the latter padded */
  gfloat                   *clean;            /* [height, width, L] */
  gfloat                   *known, *guess;    /* [height, width, form channels]: the picture,
                                               * true where not painted; the denoiser's */
  gfloat                   *form;             /* the same shape */
  gfloat                   *weight;           /* [height, width] */
  gfloat                   *queries, *found;  /* [all cells padded, row] */
  gfloat                   *sum, *votes;      /* [height, width, L]; [height, width] */
};

PalRecall *
pal_recall_new (PalModel *model, const gchar *prompt, guint64 seed)
{
  const PalExemplars *exemplars = pal_model_exemplars (model);
  const PalExemplarLabel *labels[PAL_EXEMPLARS_MAX_LABELS];
  guint n = exemplars && prompt ? pal_exemplars_labels (exemplars, prompt, labels) : 0;
  PalRecall *recall;
  gfloat side[PAL_VOTE];

  if (n == 0)
    return NULL;

  recall = g_new0 (PalRecall, 1);
  recall->model = model;
  recall->exemplars = exemplars;
  recall->config = pal_exemplars_config (exemplars);
  recall->seed = seed;
  recall->row = pal_patches_row (recall->config);

  recall->n_sources = n;
  for (guint i = 0; i < n; i++)
    {
      recall->sources[i].label = labels[i];
      recall->sources[i].patches.exemplars = exemplars;
    }

  pal_gaussian (recall->config->vote_smooth, PAL_VOTE / 2, side);
  for (gint i = 0; i < PAL_N_VOTES; i++)
    recall->vote[i] = side[i / PAL_VOTE] * side[i % PAL_VOTE];

  return recall;
}

/* What belongs to one placing. */
static void
unplace (PalRecall *recall)
{
  g_clear_pointer (&recall->painted, g_free);
  g_clear_pointer (&recall->area, g_free);
  g_clear_pointer (&recall->owner, g_free);
  g_clear_pointer (&recall->cells, g_free);
  g_clear_pointer (&recall->clean, g_free);
  g_clear_pointer (&recall->known, g_free);
  g_clear_pointer (&recall->guess, g_free);
  g_clear_pointer (&recall->form, g_free);
  g_clear_pointer (&recall->weight, g_free);
  g_clear_pointer (&recall->queries, g_free);
  g_clear_pointer (&recall->found, g_free);
  g_clear_pointer (&recall->sum, g_free);
  g_clear_pointer (&recall->votes, g_free);
  pal_smooth_clear (&recall->smooth);
  for (guint i = 0; i < recall->n_sources; i++)
    {
      pal_smooth_clear (&recall->sources[i].smooth);
      g_clear_pointer (&recall->sources[i].around, g_free);
    }
}

void
pal_recall_free (PalRecall *recall)
{
  unplace (recall);
  for (guint i = 0; i < recall->n_sources; i++)
    pal_patches_clear (&recall->sources[i].patches);
  g_free (recall);
}

static gsize
padded (gsize n)
{
  return (n + QUERIES - 1) / QUERIES * QUERIES;
}

PalMatchSize
pal_recall_size (PalModel *model, const gchar *prompt, gint width, gint height)
{
  const PalExemplars *exemplars = pal_model_exemplars (model);
  const PalExemplarLabel *labels[PAL_EXEMPLARS_MAX_LABELS];
  guint n = exemplars && prompt ? pal_exemplars_labels (exemplars, prompt, labels) : 0;
  PalMatchSize size = { 0 };

  for (guint i = 0; i < n; i++)
    for (guint k = 0; k < labels[i]->exemplars->len; k++)
      {
        const PalExemplar *exemplar = g_ptr_array_index (labels[i]->exemplars, k);

        size.n_keys = MAX (size.n_keys, exemplar->width * exemplar->height);
      }

  if (n > 0)
    {
      size.n_queries = (gint) padded ((gsize) width * (gsize) height);
      size.width = pal_patches_row (pal_exemplars_config (exemplars));
    }

  return size;
}

/* The first channels of latents [height, width, L]. */
static void
first_channels (const PalRecall *recall, const gfloat *latents, gfloat *out)
{
  gsize n = (gsize) recall->width * (gsize) recall->height;
  gsize channels = (gsize) recall->config->channels;
  gsize kept = (gsize) recall->config->form_channels;

  for (gsize i = 0; i < n; i++)
    memcpy (out + i * kept, latents + i * channels, kept * sizeof (gfloat));
}

/* How much each source's form is drawn by what lies around: as far as the smoothed picture
 * there has a colour of its exemplars. */
static void
weigh_around (PalRecall *recall)
{
  const PalExemplarsConfig *config = recall->config;
  gsize n = (gsize) recall->width * (gsize) recall->height;
  gdouble spread = 2.0 * config->around_alike * config->around_alike;

  for (gsize i = 0; i < n; i++)
    recall->weight[i] = recall->painted[i] ? 0.0f : 1.0f;

  for (guint k = 0; k < recall->n_sources; k++)
    {
      Source *source = &recall->sources[k];

      pal_smooth_run (&source->smooth, recall->known, config->form_channels, recall->weight,
                      recall->form);
      for (gsize i = 0; i < n; i++)
        {
          const gfloat *colour = recall->form + i * (gsize) config->form_channels;
          gdouble off = pal_exemplars_distance (recall->exemplars, source->label, colour);

          source->around[i] =
            recall->weight[i] * (gfloat) (config->around_weight * exp (-off / spread));
        }
    }
}

static gboolean
reserve_all (PalRecall *recall, gsize n_painted, GError **error)
{
  gsize n = (gsize) recall->width * (gsize) recall->height;
  gsize channels = (gsize) recall->config->channels, row = (gsize) recall->row;
  gsize formed = (gsize) recall->config->form_channels;

  for (guint i = 0; i < recall->n_sources; i++)
    {
      Source *source = &recall->sources[i];

      if (! pal_floats_new (&source->around, n, error) ||
          ! pal_smooth_init (&source->smooth, recall->width, recall->height,
                             source->label->smooth, error))
        return FALSE;
    }

  return pal_smooth_init (&recall->smooth, recall->width, recall->height,
                          recall->config->form_smooth, error) &&
         pal_floats_new (&recall->clean, n * channels, error) &&
         pal_floats_new (&recall->known, n * formed, error) &&
         pal_floats_new (&recall->guess, n * formed, error) &&
         pal_floats_new (&recall->form, n * formed, error) &&
         pal_floats_new (&recall->weight, n, error) &&
         pal_floats_new (&recall->queries, padded (n_painted) * row, error) &&
         pal_floats_new (&recall->found, padded (n_painted) * row, error) &&
         pal_floats_new (&recall->sum, n * channels, error) &&
         pal_floats_new (&recall->votes, n, error);
}

gboolean
pal_recall_place (PalRecall *recall, gint width, gint height, const gfloat *mask,
                  const gfloat *known, GError **error)
{
  gsize n = (gsize) width * (gsize) height, n_painted = 0;

  unplace (recall);
  recall->width = width;
  recall->height = height;
  recall->painted = g_new0 (guint8, n);
  recall->area = g_new0 (guint8, n);
  recall->owner = g_new0 (guint8, n);
  recall->cells = g_new (gint, n);

  for (gsize i = 0; i < n; i++)
    {
      recall->painted[i] = ! mask || ! known || mask[i] > 0.0f;
      if (! recall->painted[i])
        continue;

      recall->last_row = (gint) (i / (gsize) width);
      if (n_painted++ == 0)
        recall->first_row = recall->last_row;
    }

  if (! reserve_all (recall, n_painted, error))
    return FALSE;

  if (known)
    first_channels (recall, known, recall->known);
  weigh_around (recall);

  return TRUE;
}

/* form = the guess at the area, smoothed, moved towards the exemplar's colour, and drawn to
 * what lies around. */
static void
shape_form (PalRecall *recall, Source *source)
{
  gsize n = (gsize) recall->width * (gsize) recall->height;
  gsize kept = (gsize) recall->config->form_channels;

  for (gsize c = 0; c < kept; c++)
    {
      gdouble sum = 0.0;
      gfloat shift;

      for (gsize i = 0; i < recall->n_cells; i++)
        sum += (gdouble) recall->guess[(gsize) recall->cells[i] * kept + c];
      shift = (gfloat) (recall->config->own_colour *
                        ((gdouble) source->patches.exemplar->mean[c] -
                         sum / (gdouble) recall->n_cells));

      for (gsize i = 0; i < n; i++)
        recall->form[i * kept + c] = recall->painted[i] ? recall->guess[i * kept + c] + shift
                                                        : recall->known[i * kept + c];
    }

  for (gsize i = 0; i < n; i++)
    recall->weight[i] = recall->area[i] ? 1.0f : source->around[i];

  pal_smooth_run (&source->smooth, recall->form, (gint) kept, recall->weight, recall->form);
}

/* What a row adds to the squared distance of a label that lies above others: it grows
 * downwards from -tilt to tilt over the painted rows. */
static gdouble
tilt_at (const PalRecall *recall, gint row)
{
  gint slope = 2 * row - recall->first_row - recall->last_row;

  return recall->config->tilt * slope / (recall->last_row - recall->first_row + 1);
}

/* Gives each painted cell to the source whose mean is nearest to the guess around it. */
static void
share_out (PalRecall *recall)
{
  gint n = recall->width * recall->height, kept = recall->config->form_channels;

  if (recall->n_sources == 1)
    return;

  for (gint i = 0; i < n; i++)
    recall->weight[i] = recall->painted[i];
  pal_smooth_run (&recall->smooth, recall->guess, kept, recall->weight, recall->form);

  for (gint i = 0; i < n; i++)
    {
      gdouble least = G_MAXDOUBLE;

      for (guint k = 0; k < recall->n_sources; k++)
        {
          const PalExemplarLabel *label = recall->sources[k].label;
          gdouble distance = label->above ? tilt_at (recall, i / recall->width) : 0.0;

          for (gint c = 0; c < kept; c++)
            distance += pow ((gdouble) recall->form[i * kept + c] -
                             (gdouble) label->mean[c], 2.0);
          if (distance < least)
            {
              least = distance;
              recall->owner[i] = (guint8) k;
            }
        }
    }
}

/* The area of a source and the cells in it. */
static void
take_area (PalRecall *recall, guint source)
{
  gint n = recall->width * recall->height;

  recall->n_cells = 0;
  for (gint i = 0; i < n; i++)
    {
      recall->area[i] = recall->painted[i] && recall->owner[i] == source;
      if (recall->area[i])
        recall->cells[recall->n_cells++] = i;
    }
  recall->n_queries = padded (recall->n_cells);
}

/* The exemplar that suits the guess at the area's cells. */
static void
choose (PalRecall *recall, Source *source)
{
  gint kept = recall->config->form_channels;
  g_autofree gfloat *mean = g_new0 (gfloat, kept);

  for (gint c = 0; c < kept; c++)
    {
      gdouble sum = 0.0;

      for (gsize i = 0; i < recall->n_cells; i++)
        sum += (gdouble) recall->guess[recall->cells[i] * kept + c];
      mean[c] = (gfloat) (sum / (gdouble) recall->n_cells);
    }

  source->patches.exemplar = pal_exemplars_choose (recall->exemplars, source->label, mean,
                                                   recall->seed);
}

/* The area's cell at (y, x), or -1. */
static gint
area_at (const PalRecall *recall, gint y, gint x)
{
  gint at = y * recall->width + x;
  gboolean within = y >= 0 && y < recall->height && x >= 0 && x < recall->width;

  return within && recall->area[at] ? at : -1;
}

/* The cell that stands for the neighbour (dy, dx) of one of the area. */
static gint
neighbour (const PalRecall *recall, gint cell, gint dy, gint dx)
{
  gint y = cell / recall->width, x = cell % recall->width;
  gint at = area_at (recall, y + dy, x + dx);

  if (at < 0)
    at = area_at (recall, y - dy, x - dx);

  return at < 0 ? cell : at;
}

/* The patch of detail around every cell of the area: x without the form's share, times
 * what the softmax needs; and the factor of a key's energy. */
static void
write_queries (PalRecall *recall, const PalExemplarStage *stage, const PalSamplingLevel *level,
               const gfloat *x)
{
  gint channels = recall->config->channels, formed = recall->config->form_channels;
  gint side = stage->side, patch = side * side;
  gdouble noise = MAX (level->noise, LEAST_NOISE);
  gfloat factor = (gfloat) (level->signal / (noise * noise));

  memset (recall->queries, 0, recall->n_queries * (gsize) recall->row * sizeof (gfloat));

  for (gsize i = 0; i < recall->n_cells; i++)
    {
      gfloat *query = recall->queries + i * (gsize) recall->row;

      for (gint k = 0; k < patch; k++)
        {
          gint at = neighbour (recall, recall->cells[i], k / side - side / 2, k % side - side / 2);

          for (gint c = 0; c < stage->channels; c++)
            {
              gfloat form = c < formed ? recall->form[at * formed + c] : 0.0f;

              query[c * patch + k] =
                factor * (x[at * channels + c] - (gfloat) level->signal * form);
            }
        }
      query[patch * stage->channels] = -0.5f * (gfloat) level->signal * factor;
    }
}

/* clean = the mean of the votes for each of the area's cells, and the form. */
static void
count_votes (PalRecall *recall)
{
  gint channels = recall->config->channels, formed = recall->config->form_channels;
  gsize n = (gsize) recall->width * (gsize) recall->height;

  memset (recall->sum, 0, n * (gsize) channels * sizeof (gfloat));
  memset (recall->votes, 0, n * sizeof (gfloat));

  for (gsize i = 0; i < recall->n_cells; i++)
    for (gint k = 0; k < PAL_N_VOTES; k++)
      {
        const gfloat *found = recall->found + i * (gsize) recall->row;
        gint cell = recall->cells[i];
        gint at = area_at (recall, cell / recall->width + k / PAL_VOTE - PAL_VOTE / 2,
                           cell % recall->width + k % PAL_VOTE - PAL_VOTE / 2);

        if (at < 0)
          continue;

        recall->votes[at] += recall->vote[k];
        for (gint c = 0; c < channels; c++)
          recall->sum[at * channels + c] += recall->vote[k] * found[c * PAL_N_VOTES + k];
      }

  for (gsize i = 0; i < recall->n_cells; i++)
    for (gint c = 0; c < channels; c++)
      {
        gint at = recall->cells[i];

        recall->clean[at * channels + c] = recall->sum[at * channels + c] / recall->votes[at] +
                                           (c < formed ? recall->form[at * formed + c] : 0.0f);
      }
}

/* Where a cell of the exemplar stands, of length, that repeats itself mirrored; the seed says
 * by how much it is shifted. */
static gint
lies_at (const PalRecall *recall, gint at, gint length, gint wanted, guint64 step)
{
  const guint64 spare = (guint64) MAX (length - wanted + 1, 1);

  at = (at + (gint) (recall->seed % spare * step % spare)) % (2 * length);
  return at < length ? at : 2 * length - 1 - at;
}

/* clean = the form, and the exemplar as it lies less its mean there. */
static gboolean
lay_exemplar (PalRecall *recall, const PalExemplar *exemplar, GError **error)
{
  gint channels = recall->config->channels, formed = recall->config->form_channels;
  g_autofree gdouble *mean = g_new0 (gdouble, channels);
  g_autofree gfloat *whole = NULL;

  if (! pal_floats_new (&whole, (gsize) (exemplar->width * exemplar->height * channels), error))
    return FALSE;

  pal_exemplars_read (recall->exemplars, exemplar, whole);
  for (gsize i = 0; i < recall->n_cells; i++)
    {
      gint cell = recall->cells[i];
      gint y = lies_at (recall, cell / recall->width, exemplar->height, recall->height, 7);
      gint x = lies_at (recall, cell % recall->width, exemplar->width, recall->width, 13);
      const gfloat *from = whole + (y * exemplar->width + x) * channels;

      memcpy (recall->clean + cell * channels, from, (gsize) channels * sizeof (gfloat));
      for (gint c = 0; c < channels; c++)
        mean[c] += (gdouble) from[c] / (gdouble) recall->n_cells;
    }

  for (gsize i = 0; i < recall->n_cells; i++)
    for (gint c = 0; c < channels; c++)
      {
        gint cell = recall->cells[i];

        recall->clean[cell * channels + c] +=
          (c < formed ? recall->form[cell * formed + c] : 0.0f) - (gfloat) mean[c];
      }

  return TRUE;
}

/* clean, at the source's cells, by its exemplar. */
static gboolean
recall_source (PalRecall *recall, Source *source, const PalSamplingLevel *level, const gfloat *x,
               GCancellable *cancellable, GError **error)
{
  const gdouble noise = level->noise / (level->signal + level->noise);
  const PalPatchStage *stage;
  guint nth = 0;

  if (! source->patches.exemplar)
    choose (recall, source);

  shape_form (recall, source);
  if (source->label->above && noise > recall->config->whole_above)
    return lay_exemplar (recall, source->patches.exemplar, error);

  while (nth + 1 < recall->config->n_stages && noise <= recall->config->stages[nth].above)
    nth++;

  stage = pal_patches_stage (&source->patches, nth, error);
  if (! stage)
    return FALSE;

  write_queries (recall, &recall->config->stages[nth], level, x);

  if (! pal_model_match (recall->model,
                         &(PalMatch) { .n_queries = (gint) recall->n_queries,
                                       .n_keys = stage->n_patches, .width = recall->row,
                                       .queries = recall->queries, .keys = stage->keys,
                                       .values = stage->values },
                         recall->found, cancellable, error))
    return FALSE;

  count_votes (recall);
  return TRUE;
}

gboolean
pal_recall_apply (PalRecall *recall, const PalSampling *sampling, gint call, const gfloat *x,
                  gfloat *output, GCancellable *cancellable, GError **error)
{
  PalSamplingLevel level = pal_sampling_level (sampling, call);
  gsize channels = (gsize) recall->config->channels;
  gsize n = (gsize) recall->width * (gsize) recall->height * channels;

  /* A sampler's last call may be of a clean picture already. */
  if (level.noise <= 0.0)
    return TRUE;

  for (gsize i = 0; i < n; i++)
    recall->clean[i] = (gfloat) (level.of_latents * (gdouble) x[i] +
                                 level.of_output * (gdouble) output[i]);

  first_channels (recall, recall->clean, recall->guess);
  share_out (recall);
  for (guint i = 0; i < recall->n_sources; i++)
    {
      take_area (recall, i);
      if (recall->n_cells > 0 &&
          ! recall_source (recall, &recall->sources[i], &level, x, cancellable, error))
        return FALSE;
    }

  for (gsize i = 0; i < n; i++)
    if (recall->painted[i / channels])
      output[i] = (gfloat) (((gdouble) recall->clean[i] - level.of_latents * (gdouble) x[i]) /
                            level.of_output);

  return TRUE;
}
