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

/* To which texts are repeated, tokens: any of up to six chunks of 77 come to one length. */
#define MOST_TOKENS (60 * 77)

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
  gint most = pal_model_clip (model, 0)->layers;

  for (guint i = 1; i < pal_model_n_encoders (model); i++)
    most = MIN (most, pal_model_clip (model, i)->layers);
  if (! parts)
    most = 1;

  if (clip_skip <= most)
    return TRUE;

  g_set_error (error, PAL_ERROR, PAL_ERROR_ARGUMENT,
               "clip skip is %d; for this model's text encoder it must be from 1 to %d", clip_skip,
               most);
  return FALSE;
}

/* The states of one encoder, call's, beside those of the ones before it: channels first .. */
static gboolean
add_encoder (PalModel *model, const PalPromptChunks *chunks, PalTextCall *call, gint64 first,
             PalCondition *out, GCancellable *cancellable, GError **error)
{
  const Rules *rules = rules_of (pal_model_info (model)->family);
  gint64 width = pal_model_clip (model, call->encoder)->width;
  gboolean last = call->encoder + 1 == pal_model_n_encoders (model);
  g_autofree gfloat *states = g_new (gfloat, call->tokens * width);

  for (gsize c = 0; c < chunks->n; c++)
    {
      call->ids = chunks->ids + c * chunks->length;
      if (! pal_model_encode_ids (model, call, states, last && c == 0 ? out->vector : NULL,
                                  cancellable, error))
        return FALSE;

      rules->emphasise (states, chunks->weights + c * chunks->length, chunks->length,
                        (gsize) width);
      pal_condition_put (out, (gint64) c * call->tokens, call->tokens, first, width, states);
    }

  return TRUE;
}

/* Of each encoder; as many for all. */
static GPtrArray *
chunks_of_parts (PalModel *model, const GPtrArray *parts, gsize *n)
{
  GPtrArray *all = g_ptr_array_new_with_free_func ((GDestroyNotify) pal_prompt_chunks_free);

  *n = 0;
  for (guint i = 0; i < pal_model_n_encoders (model); i++)
    {
      gsize length = (gsize) pal_model_clip (model, i)->positions;
      PalPromptChunks *chunks = pal_prompt_chunks_new (pal_model_tokenizer (model, i), parts,
                                                       length);

      g_ptr_array_add (all, chunks);
      *n = MAX (*n, chunks->n);
    }

  for (guint i = 0; i < all->len; i++)
    pal_prompt_chunks_pad (g_ptr_array_index (all, i), pal_model_tokenizer (model, i), *n);

  return all;
}

/* parts: those of one step. */
static gboolean
condition_of_parts (PalModel *model, const GPtrArray *parts, gint clip_skip, PalCondition *out,
                    GCancellable *cancellable, GError **error)
{
  const PalModelTraits *traits = pal_model_traits (model);
  gint64 tokens = pal_model_clip (model, 0)->positions, first = 0;
  gsize n;
  g_autoptr (GPtrArray) chunks = chunks_of_parts (model, parts, &n);
  PalTextCall call = { .tokens = tokens, .raw = traits->text_raw,
                       .skip = clip_skip > 0 ? clip_skip - 1 : traits->text_skip };

  pal_condition_init (model, (gint64) n * tokens, out);

  for (; call.encoder < chunks->len; call.encoder++)
    {
      if (! add_encoder (model, g_ptr_array_index (chunks, call.encoder), &call, first, out,
                         cancellable, error))
        {
          pal_condition_clear (out);
          return FALSE;
        }
      first += pal_model_clip (model, call.encoder)->width;
    }

  return TRUE;
}

/* Whether the text is read by the grammar of steps and weights, and not as it is. */
static gboolean
has_parts (PalModel *model, const PalScriptSetup *setup)
{
  return rules_of (pal_model_info (model)->family)->parts &&
         (setup->text || ! pal_model_traits (model)->zero_empty);
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
  g_autoptr (GPtrArray) parts = pal_prompt_parse (setup->text ? setup->text : "", setup->n_steps);
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

      if (! condition_of_parts (model, here, setup->clip_skip, &condition, cancellable, error))
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

static PalScript *
script_alloc (guint n_steps)
{
  PalScript *script = g_new0 (PalScript, 1);

  script->conditions = g_array_new (FALSE, FALSE, sizeof (PalCondition));
  g_array_set_clear_func (script->conditions, clear_condition);
  script->n_steps = n_steps;
  script->of_step = g_new0 (guint, n_steps);
  return script;
}

PalScript *
pal_script_copy (const PalScript *script)
{
  PalScript *copy = script_alloc (script->n_steps);

  for (guint i = 0; i < script->conditions->len; i++)
    {
      PalCondition c = g_array_index (script->conditions, PalCondition, i);

      c.states = g_memdup2 (c.states, (gsize) (c.tokens * c.channels) * sizeof (gfloat));
      if (c.vector)
        c.vector = g_memdup2 (c.vector, (gsize) c.vector_channels * sizeof (gfloat));
      g_array_append_val (copy->conditions, c);
    }

  memcpy (copy->of_step, script->of_step, script->n_steps * sizeof (guint));
  return copy;
}

PalScript *
pal_script_new (PalModel *model, const PalScriptSetup *setup, gchar **note,
                GCancellable *cancellable, GError **error)
{
  g_autoptr (PalScript) script = NULL;
  PalCondition condition;

  g_return_val_if_fail (setup->n_steps > 0, NULL);

  script = script_alloc (setup->n_steps);
  if (! check_skip (model, setup->clip_skip, error))
    return NULL;
  if (has_parts (model, setup))
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

void
pal_script_place (PalScript *script, const PalPlacement *placement, gboolean negative)
{
  for (guint i = 0; i < script->conditions->len; i++)
    pal_condition_place (&g_array_index (script->conditions, PalCondition, i), placement, negative);
}

/* The least length that both can be repeated to; the longer one's where that is out of all
 * proportion, so that the other is cut in its last round. */
static gint64
common_length (gint64 a, gint64 b)
{
  gint64 x = a, y = b;

  while (y != 0)
    {
      gint64 rest = x % y;

      x = y;
      y = rest;
    }

  return a / x * b <= MOST_TOKENS ? a / x * b : MAX (a, b);
}

/* Of all conditions and of tokens. script may be NULL. */
static gint64
common_tokens (const PalScript *script, gint64 tokens)
{
  for (guint i = 0; script && i < script->conditions->len; i++)
    tokens = common_length (tokens, g_array_index (script->conditions, PalCondition, i).tokens);

  return tokens;
}

gint64
pal_script_tokens (PalModel *model, const PalScriptSetup *setup, gint64 tokens)
{
  gint64 positions = pal_model_clip (model, 0)->positions;
  g_autoptr (GPtrArray) parts = NULL;
  g_autoptr (GPtrArray) before = NULL;

  if (! has_parts (model, setup))
    return common_length (tokens, positions);

  parts = pal_prompt_parse (setup->text ? setup->text : "", setup->n_steps);
  for (guint step = 0; step < setup->n_steps; step++)
    {
      g_autoptr (GPtrArray) here = pal_prompt_at (parts, step);
      g_autoptr (GPtrArray) chunks = NULL;
      gsize n;

      if (before && same_parts (before, here))
        continue;

      chunks = chunks_of_parts (model, here, &n);
      tokens = common_length (tokens, (gint64) n * positions);
      g_clear_pointer (&before, g_ptr_array_unref);
      before = g_steal_pointer (&here);
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
        memcpy (c->states + at, c->states, MIN (own, all - at) * sizeof (gfloat));
      c->tokens = tokens;
    }
}

void
pal_script_align (PalScript *script, PalScript *other)
{
  gint64 tokens = common_tokens (other, common_tokens (script, 1));

  repeat_states (script, tokens);
  repeat_states (other, tokens);
}
