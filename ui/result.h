/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the dialog shows of an image: the picture before, and results of runs. */

#ifndef PAL_UI_RESULT_H
#define PAL_UI_RESULT_H

#include "purpose.h"

G_BEGIN_DECLS

/* The image as it is, and what a run would look at and change. Rectangles are in the
 * image's pixels; the pictures are reduced. */
typedef struct
{
  PalRect   canvas;           /* all that is shown: the image, or what it would grow to */
  PalRect   image;            /* where picture lies */
  PalImage *picture;          /* RGB or RGBA */
  PalRect   frame;            /* what the model is shown */
  PalImage *mask;             /* over frame, 1 channel, 1 = change; NULL = all of it */
} PalScene;

void pal_scene_free (PalScene *scene);

typedef struct
{
  grefcount      refs;
  PalPurpose     purpose;
  PalImage      *image;       /* RGB */
  PalImage      *mask;        /* of the image's size, 1 channel; NULL = all of it */
  PalRect        rect;        /* where it lies, in the image's pixels */
  gint           seed;
  gchar         *prompt, *recipe;   /* recipe: see pal_recipe_parse () */
  gchar         *path;        /* file that keeps it, or NULL */
  gpointer       data;        /* of the client */
  GDestroyNotify destroy;
} PalResult;

PalResult *pal_result_new   (void);
PalResult *pal_result_ref   (PalResult *result);
void       pal_result_unref (PalResult *result);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalScene, pal_scene_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalResult, pal_result_unref)

G_END_DECLS

#endif
