/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The folder "exemplars" of a model: see exemplars.h. */

#include "family/exemplars.h"

#include <string.h>

#include "base/dtype.h"
#include "base/error.h"
#include "io/json.h"
#include "io/weights.h"

/* Sides of the exemplars, in cells: more would only be slow. */
#define MAX_SIDE 256

/* Deviations of Gaussians, in cells. */
#define LEAST_SMOOTH 0.1
#define MOST_SMOOTH 64.0

typedef struct
{
  gchar                  *text;
  const PalExemplarLabel *label;
} Word;

struct _PalExemplars
{
  PalExemplarsConfig config;
  PalWeights        *weights;
  gfloat            *scale;        /* [L] */
  GArray            *words;        /* of Word */
  GPtrArray         *labels;       /* of PalExemplarLabel */
};

static void
word_clear (gpointer data)
{
  Word *word = data;

  g_free (word->text);
}

static void
exemplar_free (gpointer data)
{
  PalExemplar *exemplar = data;

  g_free (exemplar->mean);
  g_free (exemplar);
}

static void
label_free (gpointer data)
{
  PalExemplarLabel *label = data;

  g_free (label->name);
  g_ptr_array_unref (label->exemplars);
  g_free (label->mean);
  g_free (label);
}

void
pal_exemplars_free (PalExemplars *exemplars)
{
  g_array_unref (exemplars->words);
  g_ptr_array_unref (exemplars->labels);
  g_clear_pointer (&exemplars->weights, pal_weights_unref);
  g_free (exemplars->scale);
  g_free (exemplars);
}

static gboolean
refuse (const PalJson *json, const gchar *field, const gchar *wanted, GError **error)
{
  g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT, "%s: \"%s\" must be %s",
               pal_json_label (json), field, wanted);
  return FALSE;
}

static gboolean
read_stages (const PalJson *json, PalExemplarsConfig *config, GError **error)
{
  gdouble above[PAL_EXEMPLARS_MAX_STAGES];
  gint64 side[PAL_EXEMPLARS_MAX_STAGES], channels[PAL_EXEMPLARS_MAX_STAGES];
  guint n = 0, n_sides = 0, n_channels = 0;

  if (! pal_json_doubles (json, "stage_above", above, G_N_ELEMENTS (above), &n, error) ||
      ! pal_json_ints (json, "stage_side", side, G_N_ELEMENTS (side), &n_sides, error) ||
      ! pal_json_ints (json, "stage_channels", channels, G_N_ELEMENTS (channels), &n_channels,
                       error))
    return FALSE;

  if (n == 0 || n_sides != n || n_channels != n)
    return refuse (json, "stage_above", "a list as long as \"stage_side\" and \"stage_channels\"",
                   error);

  for (guint i = 0; i < n; i++)
    {
      if (above[i] < 0.0 || above[i] >= (i == 0 ? 1.0 : above[i - 1]) ||
          (i + 1 == n && above[i] != 0.0))
        return refuse (json, "stage_above", "noise levels that fall from below 1 to 0", error);
      if (side[i] < 3 || side[i] > 15 || side[i] % 2 == 0)
        return refuse (json, "stage_side", "odd numbers from 3 to 15", error);
      if (channels[i] < 1 || channels[i] > config->channels)
        return refuse (json, "stage_channels", "numbers of the codec's channels", error);

      config->stages[i] = (PalExemplarStage) { above[i], (gint) side[i], (gint) channels[i] };
    }

  config->n_stages = n;
  return TRUE;
}

static gboolean
read_config (const PalJson *json, PalExemplarsConfig *config, GError **error)
{
  gint64 form = 0, nearest = 1;

  config->form_smooth = 4.0;
  config->vote_smooth = 0.5;
  config->around_alike = 1.0;
  config->whole_above = 1.0;

  if (! pal_json_int (json, "form_channels", &form, error) ||
      ! pal_json_double (json, "form_smooth", &config->form_smooth, error) ||
      ! pal_json_double (json, "vote_smooth", &config->vote_smooth, error) ||
      ! pal_json_double (json, "around_weight", &config->around_weight, error) ||
      ! pal_json_double (json, "around_alike", &config->around_alike, error) ||
      ! pal_json_double (json, "own_colour", &config->own_colour, error) ||
      ! pal_json_double (json, "tilt", &config->tilt, error) ||
      ! pal_json_double (json, "whole_above", &config->whole_above, error) ||
      ! pal_json_int (json, "nearest", &nearest, error))
    return FALSE;

  if (form < 1 || form > config->channels)
    return refuse (json, "form_channels", "a number of the codec's channels", error);
  if (config->form_smooth < LEAST_SMOOTH || config->form_smooth > MOST_SMOOTH)
    return refuse (json, "form_smooth", "0.1 to 64 cells", error);
  if (config->vote_smooth < LEAST_SMOOTH || config->vote_smooth > MOST_SMOOTH)
    return refuse (json, "vote_smooth", "0.1 to 64 cells", error);
  if (config->around_weight < 0.0 || config->around_weight > 1000.0)
    return refuse (json, "around_weight", "0 to 1000", error);
  if (config->around_alike < 0.01 || config->around_alike > 1000.0)
    return refuse (json, "around_alike", "0.01 to 1000", error);
  if (config->own_colour < 0.0 || config->own_colour > 1.0)
    return refuse (json, "own_colour", "0 to 1", error);
  if (config->tilt < 0.0 || config->tilt > 1e6)
    return refuse (json, "tilt", "0 to 1000000", error);
  if (config->whole_above < 0.0 || config->whole_above > 1.0)
    return refuse (json, "whole_above", "0 to 1", error);
  if (nearest < 1 || nearest > 64)
    return refuse (json, "nearest", "1 to 64", error);

  config->form_channels = (gint) form;
  config->nearest = (gint) nearest;
  return read_stages (json, config, error);
}

static gboolean
read_scale (PalExemplars *e, GError **error)
{
  const PalWeightView *view = pal_weights_find (e->weights, "scale");

  if (! view || view->dtype != PAL_F32 || view->shape.n != 1 ||
      view->shape.d[0] != e->config.channels)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_WEIGHT,
                   "%s: the tensor \"scale\" must be F32 with the codec's %d channels",
                   pal_weights_label (e->weights), e->config.channels);
      return FALSE;
    }

  e->scale = g_new (gfloat, e->config.channels);
  memcpy (e->scale, view->data, view->n_bytes);
  return TRUE;
}

/* Of latents, from their bytes. */
static gfloat *
mean_of (const PalExemplars *e, const PalExemplar *exemplar)
{
  gsize channels = (gsize) e->config.channels;
  gsize n = (gsize) exemplar->width * (gsize) exemplar->height;
  gfloat *mean = g_new (gfloat, channels);

  for (gsize c = 0; c < channels; c++)
    {
      gint64 sum = 0;

      for (gsize i = 0; i < n; i++)
        sum += exemplar->cells[i * channels + c];
      mean[c] = (gfloat) ((gdouble) sum / (gdouble) n) * e->scale[c];
    }

  return mean;
}

static PalExemplarLabel *
find_label (const PalExemplars *e, const gchar *name)
{
  for (guint i = 0; i < e->labels->len; i++)
    {
      PalExemplarLabel *label = g_ptr_array_index (e->labels, i);

      if (g_str_equal (label->name, name))
        return label;
    }

  return NULL;
}

/* Reads exemplars until there is no more; the first is needed. */
static gboolean
read_exemplars (PalExemplars *e, PalExemplarLabel *label, GError **error)
{
  gint least = 0;

  for (guint i = 0; i < e->config.n_stages; i++)
    least = MAX (least, e->config.stages[i].side);

  for (guint i = 0;; i++)
    {
      g_autofree gchar *name = g_strdup_printf ("%s.%u", label->name, i);
      const PalWeightView *view = pal_weights_find (e->weights, name);
      PalExemplar *exemplar;

      if (! view && i > 0)
        return TRUE;

      if (! view || view->dtype != PAL_I8 || view->shape.n != 3 ||
          view->shape.d[2] != e->config.channels ||
          view->shape.d[0] < least || view->shape.d[0] > MAX_SIDE ||
          view->shape.d[1] < least || view->shape.d[1] > MAX_SIDE)
        {
          g_set_error (error, PAL_ERROR, PAL_ERROR_WEIGHT,
                       "%s: the tensor \"%s\" must be I8 of [%d to %d, %d to %d, %d]",
                       pal_weights_label (e->weights), name, least, MAX_SIDE, least, MAX_SIDE,
                       e->config.channels);
          return FALSE;
        }

      exemplar = g_new0 (PalExemplar, 1);
      exemplar->height = (gint) view->shape.d[0];
      exemplar->width = (gint) view->shape.d[1];
      exemplar->cells = view->data;
      exemplar->mean = mean_of (e, exemplar);
      g_ptr_array_add (label->exemplars, exemplar);
    }
}

/* The label of a name, read when it is first met; NULL and an error. */
static const PalExemplarLabel *
need_label (PalExemplars *e, const gchar *name, GError **error)
{
  PalExemplarLabel *label = find_label (e, name);

  if (label)
    return label;

  label = g_new0 (PalExemplarLabel, 1);
  label->name = g_strdup (name);
  label->exemplars = g_ptr_array_new_with_free_func (exemplar_free);
  label->mean = g_new (gfloat, e->config.form_channels);
  label->smooth = e->config.form_smooth;
  g_ptr_array_add (e->labels, label);

  if (! read_exemplars (e, label, error))
    return NULL;

  for (gint c = 0; c < e->config.form_channels; c++)
    {
      gdouble sum = 0.0;

      for (guint i = 0; i < label->exemplars->len; i++)
        sum += (gdouble) ((const PalExemplar *) label->exemplars->pdata[i])->mean[c];
      label->mean[c] = (gfloat) (sum / (gdouble) label->exemplars->len);
    }

  return label;
}

static gboolean
read_words (PalExemplars *e, const PalJson *json, GError **error)
{
  g_autoptr (PalJson) words = NULL;
  g_auto (GStrv) texts = NULL;

  if (! pal_json_child (json, "words", &words, error))
    return FALSE;

  texts = words ? pal_json_fields (words) : NULL;
  if (! texts || ! texts[0])
    return refuse (json, "words", "an object from words to labels", error);

  for (guint i = 0; texts[i]; i++)
    {
      g_autofree gchar *name = NULL;
      Word word;

      if (! pal_json_string (words, texts[i], &name, error))
        return FALSE;
      if (! name)
        return refuse (words, texts[i], "the name of a label", error);

      word.label = need_label (e, name, error);
      if (! word.label)
        return FALSE;
      word.text = g_utf8_casefold (texts[i], -1);
      g_array_append_val (e->words, word);
    }

  return TRUE;
}

/* What some labels have of their own; names of others are passed over. */
static gboolean
read_own (PalExemplars *e, const PalJson *json, GError **error)
{
  g_autoptr (PalJson) smooth = NULL;
  g_auto (GStrv) above = NULL;

  if (! pal_json_child (json, "form_smooth_of", &smooth, error) ||
      ! pal_json_strings (json, "above", &above, error))
    return FALSE;

  for (guint i = 0; i < e->labels->len; i++)
    {
      PalExemplarLabel *label = g_ptr_array_index (e->labels, i);

      if (smooth && ! pal_json_double (smooth, label->name, &label->smooth, error))
        return FALSE;
      if (label->smooth < LEAST_SMOOTH || label->smooth > MOST_SMOOTH)
        return refuse (smooth, label->name, "0.1 to 64 cells", error);
      label->above = above && g_strv_contains ((const gchar *const *) above, label->name);
    }

  return TRUE;
}

PalExemplars *
pal_exemplars_open (const gchar *folder, gint64 channels, GError **error)
{
  g_autoptr (PalExemplars) e = g_new0 (PalExemplars, 1);
  g_autofree gchar *path = g_build_filename (folder, "config.json", NULL);
  g_autoptr (PalJson) json = NULL;

  e->config.channels = (gint) channels;
  e->words = g_array_new (FALSE, FALSE, sizeof (Word));
  e->labels = g_ptr_array_new_with_free_func (label_free);
  g_array_set_clear_func (e->words, word_clear);

  json = pal_json_load (path, error);
  if (! json || ! read_config (json, &e->config, error))
    return NULL;

  e->weights = pal_weights_open_folder (folder, "exemplars", error);
  if (! e->weights || ! read_scale (e, error) || ! read_words (e, json, error) ||
      ! read_own (e, json, error))
    return NULL;

  return g_steal_pointer (&e);
}

const PalExemplarsConfig *
pal_exemplars_config (const PalExemplars *e)
{
  return &e->config;
}

/* Whether text holds word, with nothing of a word before or after it. */
static gboolean
holds_word (const gchar *text, const gchar *word)
{
  for (const gchar *at = strstr (text, word); at; at = strstr (at + 1, word))
    {
      const gchar *end = at + strlen (word);
      gunichar before = at > text ? g_utf8_get_char (g_utf8_prev_char (at)) : ' ';

      if (! g_unichar_isalnum (before) && ! g_unichar_isalnum (g_utf8_get_char (end)))
        return TRUE;
    }

  return FALSE;
}

static gboolean
part_of_longer (const GPtrArray *found, const gchar *text)
{
  for (guint i = 0; i < found->len; i++)
    {
      const Word *other = found->pdata[i];

      if (! g_str_equal (other->text, text) && strstr (other->text, text))
        return TRUE;
    }

  return FALSE;
}

guint
pal_exemplars_labels (const PalExemplars *e, const gchar *prompt, const PalExemplarLabel **labels)
{
  g_autofree gchar *valid = g_utf8_make_valid (prompt, -1);
  g_autofree gchar *text = g_utf8_casefold (valid, -1);
  g_autoptr (GPtrArray) found = g_ptr_array_new ();
  guint n = 0;

  for (guint i = 0; i < e->words->len; i++)
    if (holds_word (text, g_array_index (e->words, Word, i).text))
      g_ptr_array_add (found, &g_array_index (e->words, Word, i));

  for (guint i = 0; i < found->len; i++)
    {
      const Word *word = found->pdata[i];
      guint known = 0;

      if (part_of_longer (found, word->text))
        continue;
      while (known < n && labels[known] != word->label)
        known++;
      if (known == PAL_EXEMPLARS_MAX_LABELS)
        return 0;
      labels[known] = word->label;
      n = MAX (n, known + 1);
    }

  return n;
}

static gdouble
distance (const PalExemplars *e, const PalExemplar *exemplar, const gfloat *form)
{
  gdouble sum = 0.0;

  for (gint c = 0; c < e->config.form_channels; c++)
    {
      gdouble d = (gdouble) exemplar->mean[c] - (gdouble) form[c];

      sum += d * d;
    }

  return sum;
}

gdouble
pal_exemplars_distance (const PalExemplars *e, const PalExemplarLabel *label, const gfloat *form)
{
  gdouble least = G_MAXDOUBLE;

  for (guint i = 0; i < label->exemplars->len; i++)
    least = MIN (least, distance (e, label->exemplars->pdata[i], form));

  return least;
}

const PalExemplar *
pal_exemplars_choose (const PalExemplars *e, const PalExemplarLabel *label, const gfloat *form,
                      guint64 seed)
{
  g_autoptr (GPtrArray) kept = g_ptr_array_copy (label->exemplars, NULL, NULL);
  guint rank = (guint) (seed % MIN (kept->len, (guint) e->config.nearest));

  g_ptr_array_set_free_func (kept, NULL);

  /* As many times as needed, the nearest of what is left goes to the front. */
  for (guint i = 0; i <= rank; i++)
    for (guint j = i + 1; j < kept->len; j++)
      if (distance (e, kept->pdata[j], form) < distance (e, kept->pdata[i], form))
        {
          gpointer swap = kept->pdata[i];

          kept->pdata[i] = kept->pdata[j];
          kept->pdata[j] = swap;
        }

  return kept->pdata[rank];
}

void
pal_exemplars_read (const PalExemplars *e, const PalExemplar *exemplar, gfloat *out)
{
  gsize channels = (gsize) e->config.channels;
  gsize n = (gsize) exemplar->width * (gsize) exemplar->height;

  for (gsize i = 0; i < n * channels; i++)
    out[i] = (gfloat) exemplar->cells[i] * e->scale[i % channels] - exemplar->mean[i % channels];
}
