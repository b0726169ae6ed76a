/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns the reading of the prompt and the list of known words. */

#include "words-row.h"

#include <gdk/gdkkeysyms.h>
#include <glib/gi18n-lib.h>

#include "form.h"

#define LIST_HEIGHT_PX 168

typedef struct
{
  GimpProcedureConfig *config;
  PalIntent            intent;
  const PalModelInfo  *info;
  GtkWidget           *box, *icon, *line, *list;
} WordsRow;

/* The two lists; the one that the procedure takes its words from stands first. */
static const struct { gsize offset; const gchar *title, *title_other; } lists[] = {
  { G_STRUCT_OFFSET (PalModelInfo, vocabulary), N_("Materials"),
    N_("Materials, for Fill and Generate") },
  { G_STRUCT_OFFSET (PalModelInfo, styles), N_("Styles"), N_("Styles, for Restyle") },
};

static const gchar word_style[] =
  "flowboxchild { padding: 1px 5px; border-radius: 10px; font-size: smaller;"
  "               border: 1px solid alpha(currentColor, 0.25); }"
  "flowboxchild:hover { background-color: alpha(currentColor, 0.12); }";

static PalPromptReading *
read_text (WordsRow *row, const gchar *text)
{
  return pal_model_info_read_prompt (row->info, row->intent, text);
}

static gboolean
has_fate (const PalPromptReading *reading, PalWordFate fate)
{
  for (guint i = 0; i < reading->words->len; i++)
    if (((const PalPromptWord *) g_ptr_array_index (reading->words, i))->fate == fate)
      return TRUE;

  return FALSE;
}

/* The line */

static void
add_part (GString *line, const gchar *format, const gchar *words)
{
  if (! words)
    return;

  if (line->len > 0)
    g_string_append (line, " · ");
  g_string_append_printf (line, format, words);
}

static gchar *
describe (const WordsRow *row, const PalPromptReading *reading)
{
  const gboolean    restyle   = row->intent == PAL_RESTYLE;
  g_autofree gchar *left_out  = pal_prompt_reading_list (reading, PAL_WORD_LEFT_OUT);
  g_autofree gchar *misplaced = pal_prompt_reading_list (reading, PAL_WORD_MISPLACED);
  g_autofree gchar *unknown   = pal_prompt_reading_list (reading, PAL_WORD_UNKNOWN);
  GString          *line      = g_string_new (NULL);
  gboolean          replaced  = has_fate (reading, PAL_WORD_REPLACED) || left_out;

  if (reading->words->len == 0)
    g_string_append (line, restyle ? _("Name a style that this model knows")
                                   : _("Name a material that this model knows"));
  if (reading->understood)
    /* TRANSLATORS: the words that the model is given. */
    add_part (line, replaced ? _("Using: %s") : _("This model knows: %s"), reading->prompt);
  add_part (line, restyle ? _("One style at a time, without: %s")
                          : _("One material at a time, without: %s"), left_out);
  add_part (line, restyle ? _("A material, choose Fill: %s") : _("A style, choose Restyle: %s"),
            misplaced);
  add_part (line, _("Not understood: %s"), unknown);

  return g_string_free (line, FALSE);
}

/* "lawn mower → grass", a line each, below the text itself. */
static gchar *
explain (const PalPromptReading *reading, const gchar *text)
{
  GString *tip = g_string_new (text);

  for (guint i = 0; i < reading->words->len; i++)
    {
      const PalPromptWord *word = g_ptr_array_index (reading->words, i);

      if (word->fate == PAL_WORD_REPLACED)
        g_string_append_printf (tip, "\n%s → %s", word->typed, word->used);
    }

  return g_string_free (tip, FALSE);
}

static void
update_line (WordsRow *row)
{
  g_autofree gchar            *prompt  = NULL;
  g_autoptr (PalPromptReading) reading = NULL;
  g_autofree gchar            *text    = NULL;
  g_autofree gchar            *tip     = NULL;
  const gchar                 *icon    = "object-select-symbolic";

  if (! row->info)
    return;

  g_object_get (row->config, "prompt", &prompt, NULL);
  reading = read_text (row, prompt);
  text    = describe (row, reading);
  tip     = explain (reading, text);

  if (reading->words->len == 0)
    icon = "dialog-information-symbolic";
  else if (! reading->understood || has_fate (reading, PAL_WORD_UNKNOWN) ||
           has_fate (reading, PAL_WORD_MISPLACED))
    icon = "dialog-warning-symbolic";

  gtk_image_set_from_icon_name (GTK_IMAGE (row->icon), icon, GTK_ICON_SIZE_MENU);
  gtk_label_set_text (GTK_LABEL (row->line), text);
  gtk_widget_set_tooltip_text (row->line, tip);
}

/* The list */

/* A word joins the prompt when the model can use it beside what is there, as "night sky"
 * after "sand"; else it takes the prompt's place. */
static void
word_chosen (GtkFlowBox *flow, GtkFlowBoxChild *child, gpointer data)
{
  WordsRow                    *row     = data;
  const gchar                 *word    = g_object_get_data (G_OBJECT (child), "word");
  g_autofree gchar            *prompt  = NULL;
  g_autofree gchar            *longer  = NULL;
  g_autoptr (PalPromptReading) reading = NULL;

  g_object_get (row->config, "prompt", &prompt, NULL);
  longer  = g_strdup_printf ("%s, %s", prompt ? g_strstrip (prompt) : "", word);
  reading = read_text (row, longer);

  if (reading->words->len < 2 || has_fate (reading, PAL_WORD_LEFT_OUT) ||
      has_fate (reading, PAL_WORD_UNKNOWN) || has_fate (reading, PAL_WORD_MISPLACED))
    g_set_str (&longer, word);
  g_object_set (row->config, "prompt", longer, NULL);
}

static GtkWidget *
word_new (const gchar *word, GtkStyleProvider *style)
{
  GtkWidget *child = gtk_flow_box_child_new ();
  GtkWidget *label = gtk_label_new (word);

  gtk_container_add (GTK_CONTAINER (child), label);
  g_object_set_data_full (G_OBJECT (child), "word", g_strdup (word), g_free);
  gtk_style_context_add_provider (gtk_widget_get_style_context (child), style,
                                  GTK_STYLE_PROVIDER_PRIORITY_APPLICATION);
  atk_object_set_name (gtk_widget_get_accessible (child), word);

  return child;
}

static void
add_list (WordsRow *row, const gchar *title, gchar **words, gboolean first)
{
  g_autoptr (GtkCssProvider) style = gtk_css_provider_new ();
  GtkWidget                 *label = gtk_label_new (title);
  GtkWidget                 *flow  = gtk_flow_box_new ();

  gtk_css_provider_load_from_data (style, word_style, -1, NULL);
  gtk_label_set_xalign (GTK_LABEL (label), 0.0f);
  gtk_widget_set_margin_top (label, first ? 0 : 6);
  gtk_style_context_add_class (gtk_widget_get_style_context (label), "dim-label");
  gtk_flow_box_set_selection_mode (GTK_FLOW_BOX (flow), GTK_SELECTION_NONE);
  gtk_flow_box_set_column_spacing (GTK_FLOW_BOX (flow), 4);
  gtk_flow_box_set_row_spacing (GTK_FLOW_BOX (flow), 4);
  gtk_flow_box_set_max_children_per_line (GTK_FLOW_BOX (flow), 12);
  atk_object_set_name (gtk_widget_get_accessible (flow), title);

  for (guint i = 0; words[i]; i++)
    gtk_container_add (GTK_CONTAINER (flow), word_new (words[i], GTK_STYLE_PROVIDER (style)));

  gtk_box_pack_start (GTK_BOX (row->list), label, FALSE, FALSE, 0);
  gtk_box_pack_start (GTK_BOX (row->list), flow, FALSE, FALSE, 0);
  g_signal_connect (flow, "child-activated", G_CALLBACK (word_chosen), row);
}

static void
destroy (GtkWidget *widget, gpointer data)
{
  gtk_widget_destroy (widget);
}

static void
fill_list (WordsRow *row)
{
  const guint first = row->intent == PAL_RESTYLE ? 1 : 0;

  gtk_container_foreach (GTK_CONTAINER (row->list), destroy, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (lists); i++)
    {
      const guint which = (first + i) % G_N_ELEMENTS (lists);
      gchar     **words = G_STRUCT_MEMBER (gchar **, row->info, lists[which].offset);

      if (words && *words)
        add_list (row, i == 0 ? _(lists[which].title) : _(lists[which].title_other), words,
                  i == 0);
    }
  gtk_widget_show_all (row->list);
}

void
pal_words_row_set_model (GtkWidget *box, const PalModelInfo *info)
{
  WordsRow *row = g_object_get_data (G_OBJECT (box), "words-row");

  row->info = info && info->words ? info : NULL;
  gtk_widget_set_visible (box, row->info != NULL);
  if (! row->info)
    return;

  fill_list (row);
  update_line (row);
}

void
pal_words_row_set_intent (GtkWidget *box, PalIntent intent)
{
  WordsRow *row = g_object_get_data (G_OBJECT (box), "words-row");

  row->intent = intent;
  if (! row->info)
    return;

  fill_list (row);
  update_line (row);
}

static void
prompt_changed (GimpProcedureConfig *config, GParamSpec *pspec, gpointer box)
{
  update_line (g_object_get_data (box, "words-row"));
}

static GtkWidget *
list_new (WordsRow *row)
{
  GtkWidget *scroll = gtk_scrolled_window_new (NULL, NULL);

  row->list = gtk_box_new (GTK_ORIENTATION_VERTICAL, 6);
  g_object_set (row->list, "margin", 6, NULL);
  gtk_scrolled_window_set_policy (GTK_SCROLLED_WINDOW (scroll), GTK_POLICY_NEVER,
                                  GTK_POLICY_AUTOMATIC);
  gtk_scrolled_window_set_overlay_scrolling (GTK_SCROLLED_WINDOW (scroll), FALSE);
  gtk_scrolled_window_set_shadow_type (GTK_SCROLLED_WINDOW (scroll), GTK_SHADOW_IN);
  gtk_scrolled_window_set_min_content_height (GTK_SCROLLED_WINDOW (scroll), LIST_HEIGHT_PX);
  gtk_widget_set_margin_top (scroll, 6);
  gtk_container_add (GTK_CONTAINER (scroll), row->list);

  return scroll;
}

/* Return belongs to what has the focus here, and not to the dialog's Generate. */
static gboolean
key_pressed (GtkWidget *box, GdkEventKey *event, gpointer data)
{
  GtkWidget *focus = gtk_window_get_focus (GTK_WINDOW (gtk_widget_get_toplevel (box)));

  if ((event->keyval != GDK_KEY_Return && event->keyval != GDK_KEY_KP_Enter) ||
      (event->state & GDK_CONTROL_MASK))
    return GDK_EVENT_PROPAGATE;

  return gtk_widget_activate (focus);
}

GtkWidget *
pal_words_row_new (GimpProcedureConfig *config, GtkWidget **expander)
{
  WordsRow  *row = g_new0 (WordsRow, 1);
  GtkWidget *top = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 6);

  row->config   = config;
  row->box      = gtk_box_new (GTK_ORIENTATION_VERTICAL, 6);
  row->icon     = gtk_image_new ();
  row->line     = pal_hint_new ();
  *expander     = gtk_expander_new_with_mnemonic (_("_What this model knows"));

  gtk_style_context_remove_class (gtk_widget_get_style_context (row->line), "dim-label");
  gtk_label_set_line_wrap (GTK_LABEL (row->line), FALSE);
  gtk_label_set_lines (GTK_LABEL (row->line), 1);
  gtk_container_add (GTK_CONTAINER (*expander), list_new (row));

  gtk_box_pack_start (GTK_BOX (top), row->icon, FALSE, FALSE, 0);
  gtk_box_pack_start (GTK_BOX (top), row->line, TRUE, TRUE, 0);
  gtk_box_pack_start (GTK_BOX (row->box), top, FALSE, FALSE, 0);
  gtk_box_pack_start (GTK_BOX (row->box), *expander, FALSE, FALSE, 0);
  gtk_widget_show_all (row->box);
  gtk_widget_hide (row->box);

  g_object_set_data_full (G_OBJECT (row->box), "words-row", row, g_free);
  g_signal_connect (row->box, "key-press-event", G_CALLBACK (key_pressed), NULL);
  g_signal_connect_object (config, "notify::prompt", G_CALLBACK (prompt_changed), row->box,
                           G_CONNECT_DEFAULT);

  return row->box;
}
