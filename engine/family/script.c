/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A prompt read for a walk.
 *
 * Reference for chunks and weights: see text/prompt-chunks.c. For texts of different
 * lengths: comfyanonymous/ComfyUI comfy/conds.py (CONDCrossAttn), which repeats them too.
 * Easy to get wrong, guarded by tests/unit/model/test-script.c: a prompt without signs gives
 * the states that pal_model_condition () gives, bit for bit; the pooled state is the first
 * chunk's. */

#include "family/script.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "family/family.h"
#include "text/prompt-chunks.h"

/* What of the grammar a family follows. */
typedef struct
{
  const gchar *family;        /* NULL: all others */
  gboolean     parts;         /* weights, steps, and chunks instead of a cut */
  void       (*emphasise) (gfloat *states, const gfloat *weights, gsize tokens, gsize width);
  const gchar *text;
} Rules;

static const Rules families[] = {
  { "small", FALSE, NULL,
    N_("{a|b} takes one of them by the seed, __name__ a line of the file name.txt; "
       "a line that begins with # is a comment") },
  { NULL, TRUE, pal_prompt_emphasise,
    N_("(a) or (a:1.3) weighs more, [a] less; [a|b] takes turns, [a:b:0.5] changes after half "
       "of the steps; BREAK begins a new chunk of 75 tokens; {a|b} takes one of them by the "
       "seed, __name__ a line of the file name.txt; a line that begins with # is a comment; "
       "\\ before a sign makes it a character") }
};

struct _PalScript
{
  GArray *conditions;         /* of PalCondition */
  guint   n_steps;
  guint  *of_step;            /* [n_steps], index of its condition */
};

static const Rules *
rules_of (const gchar *family)
{
  const Rules *rules = families;

  while (rules->family && g_strcmp0 (rules->family, family) != 0)
    rules++;

  return rules;
}

const gchar *
pal_prompt_rules (const gchar *family)
{
  return rules_of (family)->text;
}

static gchar *
read_wildcard (gpointer data, const gchar *name, GError **error)
{
  g_autofree gchar *file = g_strconcat (name, ".txt", NULL);
  g_autofree gchar *path = g_build_filename (g_get_user_data_dir (), "palimpsest", "wildcards",
                                             file, NULL);
  gchar *text = NULL;

  if (g_file_get_contents (path, &text, NULL, NULL))
    return text;

  g_set_error (error, PAL_ERROR, PAL_ERROR_IO,
               "the prompt takes a line from \"%s\", which can't be read; put a text file there, "
               "one choice a line, or write \\__%s__ for the word itself", path, name);
  return NULL;
}

gchar *
pal_prompt_choose (const gchar *prompt, guint64 seed, GError **error)
{
  return pal_prompt_expand (prompt ? prompt : "", seed, read_wildcard, NULL, error);
}

static gboolean
check_skip (PalModel *model, gint clip_skip, GError **error)
{
  gboolean parts = rules_of (pal_model_info (model)->family)->parts;
  gint most = parts ? pal_model_clip (model)->layers : 1;

  if (clip_skip <= most)
    return TRUE;

  g_set_error (error, PAL_ERROR, PAL_ERROR_ARGUMENT,
               "clip skip is %d; for this model's text encoder it must be from 1 to %d", clip_skip,
               most);
  return FALSE;
}

/* parts: those of one step. */
static gboolean
condition_of_parts (PalModel *model, const GPtrArray *parts, gint skip, PalCondition *out,
                    GCancellable *cancellable, GError **error)
{
  const PalClipConfig *clip = pal_model_clip (model);
  const Rules *rules = rules_of (pal_model_info (model)->family);
  g_autoptr (PalPromptChunks) chunks = pal_prompt_chunks_new (pal_model_tokenizer (model), parts,
                                                              (gsize) clip->positions);
  gsize width = (gsize) clip->width, one = chunks->length * width;

  *out = (PalCondition) { .tokens = (gint64) (chunks->n * chunks->length),
                          .channels = clip->width };
  out->states = g_new (gfloat, chunks->n * one);

  for (gsize c = 0; c < chunks->n; c++)
    if (! pal_model_encode_skipping (model, chunks->ids + c * chunks->length,
                                     (gint64) chunks->length, skip, out->states + c * one,
                                     cancellable, error))
      {
        pal_condition_clear (out);
        return FALSE;
      }

  if (pal_model_unet (model)->vector_channels > 0)
    {
      gsize end = pal_clip_end (clip, chunks->ids, chunks->length);

      out->vector_channels = clip->width;
      out->vector = g_memdup2 (out->states + end * width, width * sizeof (gfloat));
    }

  for (gsize c = 0; c < chunks->n; c++)
    rules->emphasise (out->states + c * one, chunks->weights + c * chunks->length, chunks->length,
                      width);

  return TRUE;
}

static gboolean
same_parts (const GPtrArray *a, const GPtrArray *b)
{
  return a->len == b->len && (a->len == 0 || memcmp (a->pdata, b->pdata,
                                                     a->len * sizeof (gpointer)) == 0);
}

/* One condition for each different set of parts. */
static gboolean
read_steps (PalModel *model, const PalScriptSetup *setup, PalScript *script,
            GCancellable *cancellable, GError **error)
{
  g_autoptr (GPtrArray) parts = pal_prompt_parse (setup->text, setup->n_steps);
  gint skip = MAX (setup->clip_skip - 1, 0);
  g_autoptr (GPtrArray) known = g_ptr_array_new_with_free_func ((GDestroyNotify)
                                                                g_ptr_array_unref);

  for (guint step = 0; step < script->n_steps; step++)
    {
      g_autoptr (GPtrArray) here = pal_prompt_at (parts, step);
      PalCondition condition;
      guint i = 0;

      while (i < known->len && ! same_parts (g_ptr_array_index (known, i), here))
        i++;
      script->of_step[step] = i;
      if (i < known->len)
        continue;

      if (! condition_of_parts (model, here, skip, &condition, cancellable, error))
        return FALSE;
      g_array_append_val (script->conditions, condition);
      g_ptr_array_add (known, g_steal_pointer (&here));
    }

  return TRUE;
}

static void
clear_condition (gpointer data)
{
  pal_condition_clear (data);
}

PalScript *
pal_script_new (PalModel *model, const PalScriptSetup *setup, gchar **note,
                GCancellable *cancellable, GError **error)
{
  g_autoptr (PalScript) script = g_new0 (PalScript, 1);
  PalCondition condition;

  g_return_val_if_fail (setup->n_steps > 0, NULL);

  script->conditions = g_array_new (FALSE, FALSE, sizeof (PalCondition));
  g_array_set_clear_func (script->conditions, clear_condition);
  script->n_steps = setup->n_steps;
  script->of_step = g_new0 (guint, setup->n_steps);

  if (! check_skip (model, setup->clip_skip, error))
    return NULL;
  if (rules_of (pal_model_info (model)->family)->parts)
    return read_steps (model, setup, script, cancellable, error) ? g_steal_pointer (&script)
                                                                 : NULL;

  if (! pal_model_condition (model, setup->text, &condition, note, cancellable, error))
    return NULL;
  g_array_append_val (script->conditions, condition);
  return g_steal_pointer (&script);
}

void
pal_script_free (PalScript *script)
{
  if (! script)
    return;

  g_array_unref (script->conditions);
  g_free (script->of_step);
  g_free (script);
}

const PalCondition *
pal_script_at (const PalScript *script, guint step)
{
  guint i = script->of_step[MIN (step, script->n_steps - 1)];

  return &g_array_index (script->conditions, PalCondition, i);
}

static gint64
common_multiple (const PalScript *script, gint64 tokens)
{
  for (guint i = 0; script && i < script->conditions->len; i++)
    {
      gint64 own = g_array_index (script->conditions, PalCondition, i).tokens;
      gint64 a = tokens, b = own;

      while (b != 0)
        {
          gint64 rest = a % b;

          a = b;
          b = rest;
        }
      tokens = tokens / a * own;
    }

  return tokens;
}

static void
repeat_states (PalScript *script, gint64 tokens)
{
  for (guint i = 0; script && i < script->conditions->len; i++)
    {
      PalCondition *c = &g_array_index (script->conditions, PalCondition, i);
      gsize own = (gsize) (c->tokens * c->channels), all = (gsize) (tokens * c->channels);

      c->states = g_renew (gfloat, c->states, all);
      for (gsize at = own; at < all; at += own)
        memcpy (c->states + at, c->states, own * sizeof (gfloat));
      c->tokens = tokens;
    }
}

void
pal_script_align (PalScript *script, PalScript *other)
{
  gint64 tokens = common_multiple (other, common_multiple (script, 1));

  repeat_states (script, tokens);
  repeat_states (other, tokens);
}
