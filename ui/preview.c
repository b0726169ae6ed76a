/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns the preview's drawing: before, after, the divider between them, the frame of
 * what the model sees and the tint of what it may change. */

#include "preview.h"

#include <gdk/gdkkeysyms.h>
#include <glib/gi18n-lib.h>

#include "surface.h"

#define MOST_PX     1024      /* side of the picture that is kept for drawing */
#define LEAST_PX    220       /* side of the widget */
#define MARGIN_PX   12
#define KNOB_PX     11        /* radius */
#define GRIP_PX     16        /* how near a click means the divider */
#define KEY_STEP    0.05

typedef struct
{
  GtkWidget       *area;
  PalScene        *scene;
  cairo_surface_t *picture, *tint, *after;   /* NULL: not there */
  PalRect          after_rect;
  gdouble          divider;       /* 0 .. 1 of the shown part's width; left of it is before */
  gboolean         has_divider, before, pressed, dragging, close;
} Preview;

/* Of the widget, what an image pixel at 0, 0 is drawn at, and how large it is. */
typedef struct
{
  gdouble x, y, scale;
  PalRect shown;
} View;

static Preview *
get_preview (GtkWidget *area)
{
  return g_object_get_data (G_OBJECT (area), "preview");
}

static void
free_preview (gpointer data)
{
  Preview *preview = data;

  g_clear_pointer (&preview->scene, pal_scene_free);
  g_clear_pointer (&preview->picture, cairo_surface_destroy);
  g_clear_pointer (&preview->tint, cairo_surface_destroy);
  g_clear_pointer (&preview->after, cairo_surface_destroy);
  g_free (preview);
}

static View
get_view (const Preview *preview)
{
  const gint width  = gtk_widget_get_allocated_width (preview->area) - 2 * MARGIN_PX;
  const gint height = gtk_widget_get_allocated_height (preview->area) - 2 * MARGIN_PX;
  View       view   = { .shown = preview->close ? preview->scene->frame : preview->scene->canvas };

  view.scale = MIN ((gdouble) width / view.shown.width, (gdouble) height / view.shown.height);
  view.x     = MARGIN_PX + (width - view.shown.width * view.scale) / 2 - view.shown.x * view.scale;
  view.y     = MARGIN_PX + (height - view.shown.height * view.scale) / 2 -
               view.shown.y * view.scale;

  return view;
}

static gdouble
divider_x (const Preview *preview, const View *view)
{
  return view->x + (view->shown.x + preview->divider * view->shown.width) * view->scale;
}

/* Drawing */

static void
draw_surface (cairo_t *cr, const View *view, cairo_surface_t *surface, PalRect rect)
{
  cairo_save (cr);
  cairo_translate (cr, view->x + rect.x * view->scale, view->y + rect.y * view->scale);
  cairo_scale (cr, rect.width * view->scale / cairo_image_surface_get_width (surface),
               rect.height * view->scale / cairo_image_surface_get_height (surface));
  cairo_set_source_surface (cr, surface, 0, 0);
  cairo_pattern_set_filter (cairo_get_source (cr), CAIRO_FILTER_BILINEAR);
  cairo_pattern_set_extend (cairo_get_source (cr), CAIRO_EXTEND_PAD);
  cairo_rectangle (cr, 0, 0, cairo_image_surface_get_width (surface),
                   cairo_image_surface_get_height (surface));
  cairo_fill (cr);
  cairo_restore (cr);
}

/* Dashes of two colours are seen on any picture. */
static void
draw_frame (cairo_t *cr, const View *view, PalRect rect)
{
  const gdouble dash[] = { 4, 4 };

  for (gint i = 0; i < 2; i++)
    {
      cairo_set_source_rgba (cr, 1 - i, 1 - i, 1 - i, 0.9);
      cairo_set_dash (cr, dash, 2, i * 4);
      cairo_set_line_width (cr, 1);
      cairo_rectangle (cr, view->x + rect.x * view->scale + 0.5,
                       view->y + rect.y * view->scale + 0.5, rect.width * view->scale - 1,
                       rect.height * view->scale - 1);
      cairo_stroke (cr);
    }
}

/* Where a grown canvas holds nothing yet, or the picture is transparent. */
static void
draw_ground (cairo_t *cr, const View *view)
{
  cairo_rectangle (cr, view->x + view->shown.x * view->scale,
                   view->y + view->shown.y * view->scale, view->shown.width * view->scale,
                   view->shown.height * view->scale);
  cairo_set_source_rgb (cr, 0.5, 0.5, 0.5);
  cairo_fill_preserve (cr);
  cairo_clip (cr);
}

static void
draw_divider (const Preview *preview, cairo_t *cr, const View *view)
{
  gdouble x = divider_x (preview, view);
  gdouble y = view->y + (view->shown.y + view->shown.height / 2.0) * view->scale;

  cairo_set_line_width (cr, 2);
  cairo_set_source_rgba (cr, 1, 1, 1, 0.95);
  cairo_move_to (cr, x, view->y + view->shown.y * view->scale);
  cairo_rel_line_to (cr, 0, view->shown.height * view->scale);
  cairo_stroke (cr);

  cairo_arc (cr, x, y, KNOB_PX, 0, 2 * G_PI);
  cairo_fill_preserve (cr);
  cairo_set_source_rgba (cr, 0, 0, 0, 0.35);
  cairo_set_line_width (cr, 1);
  cairo_stroke (cr);

  cairo_set_source_rgba (cr, 0.2, 0.2, 0.2, 1);
  for (gint side = -1; side <= 1; side += 2)
    {
      cairo_move_to (cr, x + side * 2.5, y - 4);
      cairo_rel_line_to (cr, side * 4, 4);
      cairo_rel_line_to (cr, -side * 4, 4);
      cairo_close_path (cr);
      cairo_fill (cr);
    }
}

static void
draw_after (const Preview *preview, cairo_t *cr, const View *view)
{
  cairo_save (cr);
  if (preview->has_divider)
    {
      gdouble x = divider_x (preview, view);

      cairo_rectangle (cr, x, 0, gtk_widget_get_allocated_width (preview->area) - x,
                       gtk_widget_get_allocated_height (preview->area));
      cairo_clip (cr);
    }
  draw_surface (cr, view, preview->after, preview->after_rect);
  cairo_restore (cr);
}

static gboolean
draw (GtkWidget *area, cairo_t *cr, gpointer data)
{
  Preview *preview = data;
  gboolean before  = preview->before || preview->pressed;
  View     view;

  gtk_render_background (gtk_widget_get_style_context (area), cr, 0, 0,
                         gtk_widget_get_allocated_width (area),
                         gtk_widget_get_allocated_height (area));
  if (! preview->scene)
    return GDK_EVENT_PROPAGATE;

  view = get_view (preview);
  cairo_save (cr);
  draw_ground (cr, &view);
  draw_surface (cr, &view, preview->picture, preview->scene->image);
  if (preview->after && ! before)
    draw_after (preview, cr, &view);
  else if (preview->tint && ! preview->after)
    draw_surface (cr, &view, preview->tint, preview->scene->frame);
  cairo_restore (cr);

  if (! preview->has_divider)
    draw_frame (cr, &view, preview->scene->frame);
  else if (! before)
    draw_divider (preview, cr, &view);

  if (gtk_widget_has_visible_focus (area))
    gtk_render_focus (gtk_widget_get_style_context (area), cr, 2, 2,
                      gtk_widget_get_allocated_width (area) - 4,
                      gtk_widget_get_allocated_height (area) - 4);

  return GDK_EVENT_PROPAGATE;
}

/* Hands and keys */

static gboolean
near_divider (const Preview *preview, gdouble x)
{
  View view;

  if (! preview->scene || ! preview->has_divider)
    return FALSE;

  view = get_view (preview);
  return ABS (x - divider_x (preview, &view)) < GRIP_PX;
}

static void
move_divider (Preview *preview, gdouble divider)
{
  preview->divider = CLAMP (divider, 0.0, 1.0);
  gtk_widget_queue_draw (preview->area);
}

static void
drag_divider (Preview *preview, gdouble x)
{
  View view = get_view (preview);

  move_divider (preview, ((x - view.x) / view.scale - view.shown.x) / view.shown.width);
}

static void
set_cursor (Preview *preview, const gchar *name)
{
  GdkWindow             *window = gtk_widget_get_window (preview->area);
  g_autoptr (GdkCursor)  cursor = name ? gdk_cursor_new_from_name (gdk_window_get_display (window),
                                                                   name) : NULL;

  gdk_window_set_cursor (window, cursor);
}

static gboolean
button_changed (GtkWidget *area, GdkEventButton *event, gpointer data)
{
  Preview *preview = data;
  gboolean down    = event->type == GDK_BUTTON_PRESS;

  if (event->button != GDK_BUTTON_PRIMARY || ! preview->after)
    return GDK_EVENT_PROPAGATE;

  if (down)
    gtk_widget_grab_focus (area);
  preview->dragging = down && near_divider (preview, event->x);
  preview->pressed  = down && ! preview->dragging;
  gtk_widget_queue_draw (area);

  return GDK_EVENT_STOP;
}

static gboolean
moved (GtkWidget *area, GdkEventMotion *event, gpointer data)
{
  Preview *preview = data;

  if (preview->dragging)
    drag_divider (preview, event->x);
  else
    set_cursor (preview, near_divider (preview, event->x) ? "ew-resize" : NULL);

  return GDK_EVENT_STOP;
}

static gboolean
key_changed (GtkWidget *area, GdkEventKey *event, gpointer data)
{
  Preview *preview = data;
  gboolean down    = event->type == GDK_KEY_PRESS;
  gdouble  step    = event->keyval == GDK_KEY_Left ? -KEY_STEP :
                     event->keyval == GDK_KEY_Right ? KEY_STEP : 0;

  if (! preview->after)
    return GDK_EVENT_PROPAGATE;

  if (event->keyval == GDK_KEY_space)
    preview->pressed = down;
  else if (down && step != 0 && preview->has_divider)
    move_divider (preview, preview->divider + step);
  else
    return GDK_EVENT_PROPAGATE;

  gtk_widget_queue_draw (area);
  return GDK_EVENT_STOP;
}

/* Setting */

static void
set_after (Preview *preview, cairo_surface_t *surface, PalRect rect, gboolean has_divider)
{
  g_clear_pointer (&preview->after, cairo_surface_destroy);
  preview->after       = surface;
  preview->after_rect  = rect;
  preview->has_divider = has_divider;
  preview->dragging    = FALSE;
  preview->pressed     = FALSE;
  gtk_widget_queue_draw (preview->area);
}

void
pal_preview_area_set_scene (GtkWidget *area, PalScene *scene)
{
  static const GdkRGBA red     = { 0.93, 0.2, 0.2, 0.42 };
  Preview             *preview = get_preview (area);

  g_clear_pointer (&preview->scene, pal_scene_free);
  g_clear_pointer (&preview->picture, cairo_surface_destroy);
  g_clear_pointer (&preview->tint, cairo_surface_destroy);
  preview->scene = scene;
  if (scene)
    {
      preview->picture = pal_surface_new (scene->picture, NULL, MOST_PX);
      preview->tint    = scene->mask ? pal_surface_new_tint (scene->mask, &red) : NULL;
    }
  gtk_widget_queue_draw (area);
}

void
pal_preview_area_set_result (GtkWidget *area, PalResult *result)
{
  if (result)
    set_after (get_preview (area), pal_surface_new (result->image, result->mask, MOST_PX),
               result->rect, TRUE);
  else
    set_after (get_preview (area), NULL, (PalRect) { 0 }, FALSE);
}

void
pal_preview_area_set_forming (GtkWidget *area, const PalImage *image)
{
  Preview             *preview = get_preview (area);
  g_autoptr (PalImage) large   = NULL;

  if (! preview->scene)
    return;

  /* As fine as the mask, which is not to be blurred. */
  if (preview->scene->mask)
    large = pal_image_resize (image, preview->scene->mask->width, preview->scene->mask->height);
  set_after (preview, pal_surface_new (large ? large : image, large ? preview->scene->mask : NULL,
                                       MOST_PX), preview->scene->frame, FALSE);
}

void
pal_preview_area_set_before (GtkWidget *area, gboolean before)
{
  get_preview (area)->before = before;
  gtk_widget_queue_draw (area);
}

void
pal_preview_area_set_close (GtkWidget *area, gboolean close)
{
  get_preview (area)->close = close;
  gtk_widget_queue_draw (area);
}

GtkWidget *
pal_preview_area_new (void)
{
  GtkWidget *area    = gtk_drawing_area_new ();
  Preview   *preview = g_new0 (Preview, 1);

  preview->area = area;
  g_object_set_data_full (G_OBJECT (area), "preview", preview, free_preview);
  gtk_widget_set_can_focus (area, TRUE);
  gtk_widget_set_size_request (area, LEAST_PX, LEAST_PX);
  gtk_style_context_add_class (gtk_widget_get_style_context (area), GTK_STYLE_CLASS_VIEW);
  atk_object_set_name (gtk_widget_get_accessible (area), _("Preview"));
  atk_object_set_description (gtk_widget_get_accessible (area),
                              _("Hold Space to see the picture as it was, move the divider "
                                "between before and after with Left and Right"));
  gtk_widget_add_events (area, GDK_BUTTON_PRESS_MASK | GDK_BUTTON_RELEASE_MASK |
                               GDK_POINTER_MOTION_MASK | GDK_KEY_PRESS_MASK |
                               GDK_KEY_RELEASE_MASK);
  g_signal_connect (area, "draw", G_CALLBACK (draw), preview);
  g_signal_connect (area, "button-press-event", G_CALLBACK (button_changed), preview);
  g_signal_connect (area, "button-release-event", G_CALLBACK (button_changed), preview);
  g_signal_connect (area, "motion-notify-event", G_CALLBACK (moved), preview);
  g_signal_connect (area, "key-press-event", G_CALLBACK (key_changed), preview);
  g_signal_connect (area, "key-release-event", G_CALLBACK (key_changed), preview);
  gtk_widget_show (area);

  return area;
}
