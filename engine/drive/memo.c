/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Results by what they were made of; the last few of each kind. */

#include "drive/memo.h"

#include "drive/codec.h"

/* A prompt and a negative one of two settings that are compared; what a pass starts from
 * and what it is shown, of two passes. */
#define MOST_PROMPTS  4
#define MOST_PICTURES 4

typedef struct
{
  PalScriptSetup setup;         /* with text */
  gchar         *text;          /* NULL is not "" */
  gchar         *note;
  PalScript     *script;
} Prompt;

typedef struct
{
  gchar  *digest;               /* of size and pixels */
  gint    tile_px;              /* of the tiles it was encoded in: they see norms of their own */
  gfloat *latents;
  gsize   n_bytes;
} Picture;

typedef struct
{
  GQueue prompts, pictures;     /* last used first */
} Memo;

static void
prompt_free (gpointer data)
{
  Prompt *prompt = data;

  g_clear_pointer (&prompt->script, pal_script_free);
  g_free (prompt->text);
  g_free (prompt->note);
  g_free (prompt);
}

static void
picture_free (gpointer data)
{
  Picture *picture = data;

  g_free (picture->digest);
  g_free (picture->latents);
  g_free (picture);
}

static void
memo_free (gpointer data)
{
  Memo *memo = data;

  g_queue_clear_full (&memo->prompts, prompt_free);
  g_queue_clear_full (&memo->pictures, picture_free);
  g_free (memo);
}

static Memo *
memo_of (PalModel *model)
{
  Memo *memo = pal_model_memo (model);

  if (! memo)
    {
      memo = g_new (Memo, 1);
      g_queue_init (&memo->prompts);
      g_queue_init (&memo->pictures);
      pal_model_set_memo (model, memo, memo_free);
    }

  return memo;
}

/* The item, now the first; NULL if none is equal. */
static gpointer
find (GQueue       *items,
      gconstpointer key,
      GCompareFunc  differs)
{
  GList *link = g_queue_find_custom (items, key, differs);

  if (! link)
    return NULL;

  g_queue_unlink (items, link);
  g_queue_push_head_link (items, link);

  return link->data;
}

static void
keep (GQueue        *items,
      gpointer       item,
      guint          most,
      GDestroyNotify item_free)
{
  g_queue_push_head (items, item);
  if (items->length > most)
    item_free (g_queue_pop_tail (items));
}

static gint
prompt_differs (gconstpointer item,
                gconstpointer setup)
{
  const PalScriptSetup *a = &((const Prompt *) item)->setup, *b = setup;

  return a->n_steps != b->n_steps || a->clip_skip != b->clip_skip ||
         g_strcmp0 (a->text, b->text) != 0;
}

PalScript *
pal_memo_script (PalModel              *model,
                 const PalScriptSetup  *setup,
                 gchar                **note,
                 GCancellable          *cancellable,
                 GError               **error)
{
  Memo   *memo  = memo_of (model);
  Prompt *known = find (&memo->prompts, setup, prompt_differs);

  if (! known)
    {
      known             = g_new0 (Prompt, 1);
      known->text       = g_strdup (setup->text);
      known->setup      = *setup;
      known->setup.text = known->text;
      known->script     = pal_script_new (model, setup, &known->note, cancellable, error);
      if (! known->script)
        {
          prompt_free (known);
          return NULL;
        }
      keep (&memo->prompts, known, MOST_PROMPTS, prompt_free);
    }

  if (note && known->note)
    g_set_str (note, known->note);

  return pal_script_copy (known->script);
}

static gchar *
digest_of (const PalImage *image)
{
  const gint            size[] = { image->width, image->height, image->channels };
  const gsize           n      = (gsize) image->width * (gsize) image->height *
                                 (gsize) image->channels;
  g_autoptr (GChecksum) sum    = g_checksum_new (G_CHECKSUM_SHA256);

  g_checksum_update (sum, (const guchar *) size, sizeof size);
  g_checksum_update (sum, (const guchar *) image->data, (gssize) (n * sizeof (gfloat)));

  return g_strdup (g_checksum_get_string (sum));
}

static gint
picture_differs (gconstpointer item,
                 gconstpointer key)
{
  const Picture *a = item, *b = key;

  return a->tile_px != b->tile_px || g_strcmp0 (a->digest, b->digest) != 0;
}

static gint
tile_of (PalModel       *model,
         const PalImage *image)
{
  return pal_ladder_tile (pal_model_ladder (model), PAL_PHASE_ENCODE, image->width,
                          image->height);
}

gfloat *
pal_memo_encode (PalModel       *model,
                 const PalImage *image,
                 GCancellable   *cancellable,
                 GError        **error)
{
  const PalVaeConfig *vae    = pal_model_vae (model);
  Memo               *memo   = memo_of (model);
  g_autofree gchar   *digest = digest_of (image);
  const Picture       wanted = { .digest = digest, .tile_px = tile_of (model, image) };
  Picture            *known  = find (&memo->pictures, &wanted, picture_differs);
  gfloat             *latents;

  if (known)
    return g_memdup2 (known->latents, known->n_bytes);

  latents = pal_codec_encode (model, image, cancellable, error);
  if (! latents)
    return NULL;

  known          = g_new (Picture, 1);
  known->digest  = g_steal_pointer (&digest);
  known->tile_px = tile_of (model, image);   /* smaller than wanted when memory ran out */
  known->n_bytes = (gsize) (image->width / vae->factor) * (gsize) (image->height / vae->factor) *
                   (gsize) vae->latent_channels * sizeof (gfloat);
  known->latents = g_memdup2 (latents, known->n_bytes);
  keep (&memo->pictures, known, MOST_PICTURES, picture_free);

  return latents;
}
