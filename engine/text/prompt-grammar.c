/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The grammar of prompts: parts with weights and steps.
 *
 * The signs are those that AUTOMATIC1111/stable-diffusion-webui reads
 * (modules/prompt_parser.py, described in its wiki, "Features").
 * Easy to get wrong, guarded by tests/unit/host/test-prompt-grammar.c: a number that
 * ends round brackets is a weight, one that ends square brackets a step; two conditions on
 * the step, one inside the other, both hold. */

#include "text/prompt-grammar.h"

#include <string.h>

#define MORE 1.1
#define LESS (1.0 / 1.1)

/* Brackets deeper than this are characters. */
#define MOST_DEPTH 64

/* Weights are held within this, so that no row of states becomes infinite. */
#define MOST_WEIGHT 100.0

#define NONE G_MAXSIZE

typedef struct
{
  const gchar *text;
  gsize       *partner;       /* of each bracket, NONE for a lone one */
  guint        n_steps;
  GPtrArray   *parts;
} Reader;

/* What holds for all of a stretch of text. */
typedef struct
{
  gdouble weight;
  guint   first, end, period, phase;
} Scope;

static gboolean
is_escape (const gchar *at)
{
  return at[0] == '\\' && at[1] && strchr ("()[]{}|:\\#_", at[1]);
}

static void
find_partners (Reader *r,
               gsize   n)
{
  gsize stack[MOST_DEPTH];
  guint depth = 0;

  for (gsize i = 0; i < n; i++)
    {
      const gchar c    = r->text[i];
      const gchar open = c == ')' ? '(' : c == ']' ? '[' : '\0';
      guint       at   = depth;

      r->partner[i] = NONE;
      if (is_escape (r->text + i))
        {
          r->partner[++i] = NONE;
        }
      else if ((c == '(' || c == '[') && depth < MOST_DEPTH)
        {
          stack[depth++] = i;
        }
      else if (open)
        {
          while (at > 0 && r->text[stack[at - 1]] != open)
            at--;
          if (at == 0)
            continue;
          r->partner[stack[at - 1]] = i;
          r->partner[i]             = stack[at - 1];
          depth                     = at - 1;
        }
    }
}

/* The next place of a sign outside brackets; end if there is none. */
static gsize
find_sign (const Reader *r,
           gchar         sign,
           gsize         from,
           gsize         end)
{
  for (gsize i = from; i < end; i++)
    {
      if (is_escape (r->text + i))
        i++;
      else if (r->partner[i] != NONE && r->partner[i] > i)
        i = r->partner[i];
      else if (r->text[i] == sign)
        return i;
    }

  return end;
}

static gsize
find_last_colon (const Reader *r,
                 gsize         from,
                 gsize         end)
{
  gsize found = NONE;

  for (gsize i = find_sign (r, ':', from, end); i < end; i = find_sign (r, ':', i + 1, end))
    found = i;

  return found;
}

/* A number between spaces and nothing else. */
static gboolean
read_number (const Reader *r,
             gsize         from,
             gsize         end,
             gdouble      *out)
{
  g_autofree gchar *text = g_strstrip (g_strndup (r->text + from, end - from));
  gchar            *last = NULL;

  if (! *text || strlen (text) > 16 || strspn (text, "+-.0123456789") != strlen (text))
    return FALSE;

  *out = g_ascii_strtod (text, &last);

  return *last == '\0';
}

/* Both conditions on the step; FALSE when no step fulfils them. */
static gboolean
narrow (Scope *scope,
        guint  period,
        guint  phase)
{
  guint64 step = scope->phase;

  for (guint i = 0; i < period && step < scope->end; i++, step += scope->period)
    if (step % period == phase)
      {
        guint64 both = scope->period, shared = period;

        while (shared)
          {
            guint64 rest = both % shared;

            both   = shared;
            shared = rest;
          }
        both          = (guint64) scope->period / both * period;
        scope->phase  = (guint) MIN (step, G_MAXUINT);
        scope->period = (guint) MIN (both, G_MAXUINT);
        return TRUE;
      }

  return FALSE;
}

static void
part_free (gpointer data)
{
  PalPromptPart *part = data;

  g_free (part->text);
  g_free (part);
}

static void
flush (Reader      *r,
       GString     *text,
       const Scope *scope,
       gboolean     breaks)
{
  PalPromptPart *part;

  if (text->len == 0 && ! breaks)
    return;

  part  = g_new (PalPromptPart, 1);
  *part = (PalPromptPart) { g_strdup (text->str), scope->weight, breaks, scope->first, scope->end,
                            scope->period, scope->phase };
  g_ptr_array_add (r->parts, part);
  g_string_truncate (text, 0);
}

static void read_text (Reader *r, gsize from, gsize end, Scope scope);

static void
read_weighted (Reader *r,
               gsize   from,
               gsize   end,
               Scope   scope)
{
  gsize   colon  = find_last_colon (r, from, end);
  gdouble factor = MORE;

  if (colon != NONE && read_number (r, colon + 1, end, &factor))
    end = colon;
  else
    factor = MORE;

  scope.weight = CLAMP (scope.weight * factor, -MOST_WEIGHT, MOST_WEIGHT);
  read_text (r, from, end, scope);
}

static void
read_in_turn (Reader *r,
              gsize   from,
              gsize   end,
              Scope   scope)
{
  guint n = 1, i = 0;

  for (gsize at = find_sign (r, '|', from, end); at < end; at = find_sign (r, '|', at + 1, end))
    n++;

  for (;; i++)
    {
      gsize stop = find_sign (r, '|', from, end);
      Scope own  = scope;

      if (narrow (&own, n, i))
        read_text (r, from, stop, own);
      if (stop == end)
        return;
      from = stop + 1;
    }
}

/* "a:b" or, where nothing comes before the change, "b"; when: from which step on. */
static void
read_changing (Reader *r,
               gsize   from,
               gsize   end,
               gdouble when,
               Scope   scope)
{
  gsize   colon = find_last_colon (r, from, end);
  gdouble steps = when < 1.0 ? when * r->n_steps : when;
  guint   step  = (guint) CLAMP (steps, 0.0, (gdouble) r->n_steps);
  Scope   early = scope, late = scope;

  early.end  = MIN (scope.end, step);
  late.first = MAX (scope.first, step);

  if (colon != NONE && early.first < early.end)
    read_text (r, from, colon, early);
  if (late.first < late.end)
    read_text (r, colon == NONE ? from : colon + 1, end, late);
}

static void
read_square (Reader *r,
             gsize   from,
             gsize   end,
             Scope   scope)
{
  gsize   colon = find_last_colon (r, from, end);
  gdouble when;

  if (find_sign (r, '|', from, end) < end)
    {
      read_in_turn (r, from, end, scope);
      return;
    }
  if (colon != NONE && read_number (r, colon + 1, end, &when))
    {
      read_changing (r, from, colon, when, scope);
      return;
    }

  scope.weight *= LESS;
  read_text (r, from, end, scope);
}

static gboolean
is_break (const Reader *r,
          gsize         from,
          gsize         at,
          gsize         end)
{
  return end - at >= 5 && memcmp (r->text + at, "BREAK", 5) == 0 &&
         (at == from || ! g_ascii_isalnum (r->text[at - 1])) &&
         (at + 5 == end || ! g_ascii_isalnum (r->text[at + 5]));
}

static void
read_text (Reader *r,
           gsize   from,
           gsize   end,
           Scope   scope)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (gsize i = from; i < end; i++)
    {
      gsize partner = r->partner[i];

      if (is_escape (r->text + i))
        {
          g_string_append_c (text, r->text[++i]);
        }
      else if (partner != NONE && partner > i)
        {
          flush (r, text, &scope, FALSE);
          (r->text[i] == '(' ? read_weighted : read_square) (r, i + 1, partner, scope);
          i = partner;
        }
      else if (is_break (r, from, i, end))
        {
          flush (r, text, &scope, TRUE);
          i += 4;
        }
      else
        {
          g_string_append_c (text, r->text[i]);
        }
    }

  flush (r, text, &scope, FALSE);
}

GPtrArray *
pal_prompt_parse (const gchar *text,
                  guint        n_steps)
{
  gsize             n       = strlen (text);
  g_autofree gsize *partner = g_new (gsize, n + 1);
  Reader            r       = { text, partner, n_steps,
                                g_ptr_array_new_with_free_func (part_free) };

  find_partners (&r, n);
  read_text (&r, 0, n, (Scope) { 1.0, 0, n_steps, 1, 0 });

  return r.parts;
}

GPtrArray *
pal_prompt_at (const GPtrArray *parts,
               guint            step)
{
  GPtrArray *found = g_ptr_array_new ();

  for (guint i = 0; i < parts->len; i++)
    {
      PalPromptPart *part = g_ptr_array_index (parts, i);

      if (step >= part->first && step < part->end && step % part->period == part->phase)
        g_ptr_array_add (found, part);
    }

  return found;
}
