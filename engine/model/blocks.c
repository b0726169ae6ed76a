/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Blocks that the U-Net and the autoencoder have in common.
 *
 * Paper: He et al., Deep Residual Learning (arXiv 1512.03385); the pre-activation
 *   form with a time embedding is Ho et al., DDPM (arXiv 2006.11239).
 * Reference: huggingface/diffusers:src/diffusers/models/resnet.py@58eb52c0
 *   (Apache-2.0), class ResnetBlock2D.
 * Easy to get wrong: the embedding passes through SiLU before its projection, and is
 *   added before the second norm (guarded by the trace cases' resnets.*), or scales by
 *   1 + its first half and shifts by the second after it (trace-unet-labels-tiny). */

#include "model/blocks.h"

#include <math.h>

#include "base/error.h"

PalTensor *
pal_res_block (PalTape *t, PalTensor *x, PalTensor *emb, const PalResBlock *options)
{
  PalGroupNorm norm = { .groups = options->groups, .eps = options->eps, .act = PAL_ACT_SILU };
  PalTensor *h = x, *change;

  /* First, so that the norm may take the place of x, the largest tensor of many blocks. */
  if (pal_has_weight (t, "conv_shortcut.weight"))
    x = pal_conv2d (t, x, "conv_shortcut", NULL);

  h = pal_group_norm (t, h, "norm1", &norm);
  h = pal_conv2d (t, h, "conv1", NULL);

  change = emb ? pal_linear (t, emb, "time_emb_proj", NULL) : NULL;
  if (options->modulate)
    norm.modulation = change;
  else if (change)
    h = pal_add_channels (t, h, change);
  h = pal_group_norm (t, h, "norm2", &norm);

  return pal_conv2d (t, h, "conv2", &(PalConv) { .residual = x });
}

PalTensor *
pal_publish (PalTape *t, const gchar *name, PalTensor *x)
{
  pal_enter (t, "%s", name);
  return pal_leave (t, x);
}

/* The field's value as JSON prints it; NULL when it is neither a string, a
 * number nor a boolean. */
static gchar *
field_text (const PalJson *json, const gchar *field)
{
  gchar *text = NULL;
  gdouble number = 0.0;
  gboolean flag = FALSE;

  if (pal_json_string (json, field, &text, NULL) && text)
    return text;
  if (pal_json_bool (json, field, &flag, NULL))
    return g_strdup (flag ? "true" : "false");
  if (pal_json_double (json, field, &number, NULL))
    return g_strdup_printf ("%g", number);

  return NULL;
}

gboolean
pal_config_fixed (const PalJson *json, const PalFixedField *fields, gsize n_fields, GError **error)
{
  for (gsize i = 0; i < n_fields; i++)
    {
      g_autofree gchar *text = NULL;

      if (! pal_json_has (json, fields[i].field))
        continue;

      text = field_text (json, fields[i].field);
      if (g_strcmp0 (text, fields[i].value) == 0)
        continue;

      g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
                   "%s: \"%s\" is %s, and only %s is supported",
                   pal_json_label (json), fields[i].field, text ? text : "a list or an object",
                   g_str_equal (fields[i].value, "null") ? "a model without it" : fields[i].value);
      return FALSE;
    }

  return TRUE;
}

gboolean
pal_config_range (const PalJson *json, const gchar *field, gint64 min, gint64 max,
                  gint64 *out, GError **error)
{
  if (! pal_json_int (json, field, out, error))
    return FALSE;

  if (*out < min || *out > max)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
                   "%s: \"%s\" is %" G_GINT64_FORMAT ", and must lie in %" G_GINT64_FORMAT
                   " to %" G_GINT64_FORMAT,
                   pal_json_label (json), field, *out, min, max);
      return FALSE;
    }

  return TRUE;
}

static gboolean
wrong_length (const PalJson *json, const gchar *field, guint n_values, guint n, GError **error)
{
  g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
               "%s: \"%s\" has %u values, and the model has %u levels",
               pal_json_label (json), field, n_values, n);
  return FALSE;
}

gboolean
pal_config_list (const PalJson *json, const gchar *field, guint n, gint64 min, gint64 max,
                 gint64 *out, GError **error)
{
  gint64 values[16];
  guint n_values = 0;

  g_assert (n <= G_N_ELEMENTS (values));

  if (! pal_json_ints (json, field, values, G_N_ELEMENTS (values), &n_values, error))
    return FALSE;
  if (! pal_json_has (json, field))
    return TRUE;

  if (n_values != n && n_values != 1)
    return wrong_length (json, field, n_values, n, error);

  for (guint i = 0; i < n; i++)
    {
      out[i] = values[n_values == 1 ? 0 : i];
      if (out[i] < min || out[i] > max)
        {
          g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
                       "%s: \"%s\" holds %" G_GINT64_FORMAT ", and must lie in %" G_GINT64_FORMAT
                       " to %" G_GINT64_FORMAT, pal_json_label (json), field, out[i], min, max);
          return FALSE;
        }
    }

  return TRUE;
}

/* The table's words as a message lists them. */
static gchar *
list_words (const PalConfigWord *table)
{
  GString *text = g_string_new (table->word);

  while ((++table)->word)
    g_string_append_printf (text, " or %s", table->word);

  return g_string_free (text, FALSE);
}

static gboolean
find_word (const PalJson *json, const gchar *field, const gchar *word, const PalConfigWord *table,
           gint *out, GError **error)
{
  g_autofree gchar *built = NULL;

  for (const PalConfigWord *row = table; row->word; row++)
    if (g_str_equal (row->word, word))
      {
        *out = row->value;
        return TRUE;
      }

  built = list_words (table);
  g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
               "%s: \"%s\" has %s, and only %s is supported",
               pal_json_label (json), field, word, built);
  return FALSE;
}

gboolean
pal_config_words (const PalJson *json, const gchar *field, guint n, const PalConfigWord *table,
                  gint *out, GError **error)
{
  g_autofree gchar *one = NULL;
  g_auto (GStrv) words = NULL;
  guint n_words;

  if (! pal_json_has (json, field))
    return TRUE;

  if (pal_json_string (json, field, &one, NULL) && one)
    {
      words = g_new0 (gchar *, 2);
      words[0] = g_steal_pointer (&one);
    }
  else if (! pal_json_strings (json, field, &words, error))
    {
      return FALSE;
    }

  n_words = words ? g_strv_length (words) : 0;
  if (n_words != n && n_words != 1)
    return wrong_length (json, field, n_words, n, error);

  for (guint i = 0; i < n; i++)
    if (! find_word (json, field, words[n_words == 1 ? 0 : i], table, &out[i], error))
      return FALSE;

  return TRUE;
}
