/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns the right part of the dialog: which argument stands where, and what follows from
 * the purpose and the model. */

#include "settings-pane.h"

#include <glib/gi18n-lib.h>

#include "device-row.h"
#include "form.h"
#include "seed-row.h"
#include "words-row.h"

#define WIDTH_PX 380

typedef struct
{
  GimpProcedureConfig *config;
  PalSettingsClient    client;
  GtkSizeGroup        *labels;

  GtkWidget *prompt, *words_row, *hint, *strength, *extend, *seed_row, *model_row;
  GtkWidget *model_hint, *schedule, *eta, *s_noise, *advanced;

  PalPurpose   purpose;
  PalModelInfo defaults;        /* the numbers of the chosen model; no strings */
  gchar       *sampler;         /* its sampler's id */
  gboolean     usable;          /* there is a model to run */
} Pane;

static Pane *
get_pane (GtkWidget *scroll)
{
  return g_object_get_data (G_OBJECT (scroll), "settings-pane");
}

static void
free_pane (gpointer data)
{
  Pane *pane = data;

  g_signal_handlers_disconnect_by_data (pane->config, pane);
  g_object_unref (pane->labels);
  g_free (pane->sampler);
  g_free (pane);
}

/* Numbers: 0 means the default of the purpose or the model, and the dialog shows which
 * that is. */

static gdouble
get_number (Pane *pane, const gchar *argument)
{
  GValue value = G_VALUE_INIT;

  g_value_init (&value, G_TYPE_DOUBLE);
  g_object_get_property (G_OBJECT (pane->config), argument, &value);
  return g_value_get_double (&value);
}

static void
set_number (Pane *pane, const gchar *argument, gdouble number)
{
  GValue value = G_VALUE_INIT;

  g_value_init (&value, G_TYPE_DOUBLE);
  g_value_set_double (&value, number);
  g_object_set_property (G_OBJECT (pane->config), argument, &value);
}

/* A value that only repeats the former default follows the new one. */
static void
fill_default (Pane *pane, const gchar *argument, gdouble old, gdouble new)
{
  gdouble value = get_number (pane, argument);

  if (ABS (value - new) > 1e-6 && (value <= 0 || ABS (value - old) <= 1e-6))
    set_number (pane, argument, new);
}

static gdouble
default_strength (Pane *pane, const PalModelInfo *info)
{
  const PalPurposeInfo *purpose = pal_purpose_info (pane->purpose);

  if (purpose->strength > 0)
    return purpose->strength;

  return pal_model_info_strength (info, purpose->intent);
}

static gdouble
default_guidance (Pane *pane, const PalModelInfo *info)
{
  return pal_model_info_guidance (info, pal_purpose_info (pane->purpose)->intent);
}

static void
fill_defaults (Pane *pane, const PalModelInfo *info)
{
  const PalModelInfo *old = &pane->defaults;

  fill_default (pane, "strength", default_strength (pane, old), default_strength (pane, info));
  fill_default (pane, "steps", old->steps, info->steps);
  fill_default (pane, "guidance", default_guidance (pane, old), default_guidance (pane, info));
}

/* Reset puts the zeros back. */
static void
number_changed (GimpProcedureConfig *config, GParamSpec *pspec, gpointer data)
{
  Pane *pane = data;

  if (pane->usable)
    fill_defaults (pane, &pane->defaults);
}

/* What the chosen sampler passes over can't be set. */
static void
update_sampler (Pane *pane)
{
  g_autofree gchar     *chosen = NULL;
  gsize                 n;
  const PalSamplerInfo *samplers = pal_sampler_list (&n), *sampler = NULL;

  g_object_get (pane->config, "sampler", &chosen, NULL);
  if (g_strcmp0 (chosen, "default") == 0)
    g_set_str (&chosen, pane->sampler);
  for (gsize i = 0; i < n; i++)
    if (g_strcmp0 (samplers[i].id, chosen) == 0)
      sampler = &samplers[i];

  gtk_widget_set_sensitive (pane->eta, sampler && sampler->takes_eta);
  gtk_widget_set_sensitive (pane->s_noise, sampler && sampler->takes_s_noise);
  gtk_widget_set_sensitive (pane->schedule, sampler && sampler->takes_schedule);
  if (sampler && ! sampler->takes_schedule)
    g_object_set (pane->config, "schedule", "automatic", NULL);
}

static void
model_changed (const PalModelInfo *info, const GError *error, gpointer data)
{
  Pane *pane = data;

  pane->usable = info != NULL;
  pal_words_row_set_model (pane->words_row, info);
  if (info)
    {
      fill_defaults (pane, info);
      pane->defaults.fill_strength    = info->fill_strength;
      pane->defaults.restyle_strength = info->restyle_strength;
      pane->defaults.steps            = info->steps;
      pane->defaults.guidance         = info->guidance;
      pane->defaults.restyle_guidance = info->restyle_guidance;
      g_set_str (&pane->sampler, info->sampler);
      update_sampler (pane);
    }
  pane->client.model_changed (info, error, pane->client.data);
}

/* What the purpose decides. */

static void
show_purpose (Pane *pane)
{
  const PalPurposeInfo *info = pal_purpose_info (pane->purpose);

  gtk_label_set_text (GTK_LABEL (pane->hint), _(info->blurb));
  gtk_widget_set_tooltip_text (pane->prompt, _(info->hint));
  gtk_widget_set_visible (pane->extend, info->grows);
  gtk_widget_set_sensitive (pane->strength, info->intent != PAL_GENERATE);
  pal_words_row_set_intent (pane->words_row, info->intent);
}

/* Another purpose brings its own strength and number of variants. */
static void
purpose_changed (GimpProcedureConfig *config, GParamSpec *pspec, gpointer data)
{
  Pane             *pane = data;
  g_autofree gchar *id   = NULL;
  gdouble           guidance;
  PalPurpose        purpose;

  g_object_get (config, "purpose", &id, NULL);
  purpose = pal_purpose_find (id);
  if (purpose == pane->purpose)
    return;

  guidance      = default_guidance (pane, &pane->defaults);
  pane->purpose = purpose;
  show_purpose (pane);
  if (pane->usable)
    fill_default (pane, "guidance", guidance, default_guidance (pane, &pane->defaults));
  g_object_set (config, "strength", 0.0, "count", pal_purpose_info (purpose)->count, NULL);
}

/* Assembly */

static void
add_widget (Pane *pane, GtkWidget *form, PalFormPlace place, const gchar *argument,
            GtkWidget *widget)
{
  pal_form_add (form, place, pane->config, argument, widget, widget);
}

static GtkWidget *
extend_form (Pane *pane)
{
  static const gchar *const sides[] = { "left", "right", "top", "bottom" };

  GtkWidget *form = pal_form_new (pane->labels);

  for (guint i = 0; i < G_N_ELEMENTS (sides); i++)
    {
      g_autofree gchar *argument = g_strconcat ("extend-", sides[i], NULL);
      GtkWidget        *spin     = gimp_prop_spin_button_new (G_OBJECT (pane->config), argument, 8,
                                                              64, 0);

      gtk_entry_set_width_chars (GTK_ENTRY (spin), 4);
      add_widget (pane, form, i % 2 ? PAL_FORM_RIGHT : PAL_FORM_LEFT, argument, spin);
    }

  return form;
}

static GtkWidget *
prompt_box (Pane *pane)
{
  GtkWidget  *box   = gtk_box_new (GTK_ORIENTATION_VERTICAL, 6);
  GParamSpec *pspec = g_object_class_find_property (G_OBJECT_GET_CLASS (pane->config), "prompt");
  GtkWidget  *label = gtk_label_new_with_mnemonic (g_param_spec_get_nick (pspec));
  GtkWidget  *text  = pal_text_box_new (pane->config, "prompt", 3, &pane->prompt);
  GtkWidget  *words;

  gtk_label_set_mnemonic_widget (GTK_LABEL (label), pane->prompt);
  gtk_label_set_xalign (GTK_LABEL (label), 0.0f);
  pane->words_row = pal_words_row_new (pane->config, &words);
  gtk_box_pack_start (GTK_BOX (box), label, FALSE, FALSE, 0);
  gtk_box_pack_start (GTK_BOX (box), text, FALSE, FALSE, 0);
  gtk_box_pack_start (GTK_BOX (box), pane->words_row, FALSE, FALSE, 0);
  gtk_widget_show (label);
  gtk_widget_show (box);

  return box;
}

static GtkWidget *
purpose_form (Pane *pane)
{
  GtkWidget *form = pal_form_new (pane->labels);

  pane->hint = pal_hint_new ();
  add_widget (pane, form, PAL_FORM_ROW, "purpose",
              gimp_prop_choice_combo_box_new (G_OBJECT (pane->config), "purpose"));
  pal_form_add_plain (form, PAL_FORM_ROW, pane->hint);
  gtk_widget_show (pane->hint);

  return form;
}

static GtkWidget *
run_form (Pane *pane)
{
  GtkWidget *form = pal_form_new (pane->labels);
  GtkWidget *focus;

  pane->strength = pal_slider_new (pane->config, "strength", 0.05, 1.0, 0.01, 2);
  add_widget (pane, form, PAL_FORM_ROW, "strength", pane->strength);
  add_widget (pane, form, PAL_FORM_ROW, "count",
              pal_slider_new (pane->config, "count", 1, 16, 1, 0));
  pane->seed_row = pal_seed_row_new (pane->config, &focus);
  pal_form_add (form, PAL_FORM_ROW, pane->config, "seed", pane->seed_row, focus);

  return form;
}

static GtkWidget *
machine_form (Pane *pane)
{
  const PalModelRowClient client = { pane->client.list_models, pane->client.add_models,
                                     model_changed, pane };
  GtkWidget *form = pal_form_new (pane->labels);
  GtkWidget *combo;

  pane->model_hint = pal_hint_new ();
  pane->model_row  = pal_model_row_new (pane->config, &client, &combo, pane->model_hint);
  pal_form_add (form, PAL_FORM_ROW, pane->config, "model", pane->model_row, combo);
  pal_form_add_plain (form, PAL_FORM_ROW, pane->model_hint);
  add_widget (pane, form, PAL_FORM_ROW, "device",
              pal_device_row_new (pane->config, pane->client.devices_failed, pane->client.data));

  return form;
}

static void
add_check (Pane *pane, GtkWidget *form, const gchar *argument)
{
  GtkWidget *box = gimp_prop_check_button_new (G_OBJECT (pane->config), argument, NULL);

  pal_form_add_plain (form, PAL_FORM_ROW, box);
  gtk_widget_show (box);
}

static GtkWidget *
advanced_form (Pane *pane)
{
  GObject   *config = G_OBJECT (pane->config);
  GtkWidget *form   = pal_form_new (pane->labels);
  GtkWidget *box, *focus;

  box = pal_text_box_new (pane->config, "negative-prompt", 2, &focus);
  pal_form_add (form, PAL_FORM_ROW, pane->config, "negative-prompt", box, focus);
  add_widget (pane, form, PAL_FORM_ROW, "steps",
              pal_slider_new (pane->config, "steps", 1, 100, 1, 0));
  add_widget (pane, form, PAL_FORM_ROW, "guidance",
              pal_slider_new (pane->config, "guidance", 1.0, 20.0, 0.1, 1));
  add_widget (pane, form, PAL_FORM_ROW, "prefill",
              gimp_prop_choice_combo_box_new (config, "prefill"));
  add_widget (pane, form, PAL_FORM_ROW, "region",
              gimp_prop_choice_combo_box_new (config, "region"));
  add_widget (pane, form, PAL_FORM_LEFT, "grow",
              pal_slider_new (pane->config, "grow", 0, 64, 1, 0));
  add_widget (pane, form, PAL_FORM_RIGHT, "feather",
              pal_slider_new (pane->config, "feather", 0, 64, 1, 0));
  add_widget (pane, form, PAL_FORM_ROW, "sampler",
              gimp_prop_choice_combo_box_new (config, "sampler"));
  pane->schedule = gimp_prop_choice_combo_box_new (config, "schedule");
  add_widget (pane, form, PAL_FORM_ROW, "schedule", pane->schedule);
  pane->eta = pal_slider_new (pane->config, "eta", 0.0, 1.0, 0.01, 2);
  add_widget (pane, form, PAL_FORM_LEFT, "eta", pane->eta);
  pane->s_noise = pal_slider_new (pane->config, "s-noise", 0.0, 2.0, 0.01, 2);
  add_widget (pane, form, PAL_FORM_RIGHT, "s-noise", pane->s_noise);
  add_widget (pane, form, PAL_FORM_ROW, "clip-skip",
              pal_slider_new (pane->config, "clip-skip", 0, 12, 1, 0));
  add_widget (pane, form, PAL_FORM_ROW, "random",
              gimp_prop_choice_combo_box_new (config, "random"));
  add_check (pane, form, "match-colors");
  pane->advanced = form;
  g_object_set (form, "margin-top", 6, NULL);

  return form;
}

/* What a keyboard's focus enters is scrolled to. */
static void
follow_focus (GtkContainer *content, GtkWidget *scroll)
{
  gtk_container_set_focus_vadjustment (content, gtk_scrolled_window_get_vadjustment (
                                                  GTK_SCROLLED_WINDOW (scroll)));
}

GtkWidget *
pal_settings_pane_new (GimpProcedureConfig *config, const PalSettingsClient *client)
{
  Pane             *pane     = g_new0 (Pane, 1);
  GtkWidget        *scroll   = gtk_scrolled_window_new (NULL, NULL);
  GtkWidget        *content  = gtk_box_new (GTK_ORIENTATION_VERTICAL, 12);
  GtkWidget        *advanced = gtk_expander_new_with_mnemonic (_("Ad_vanced"));
  g_autofree gchar *id       = NULL;

  pane->config = config;
  pane->client = *client;
  pane->labels = gtk_size_group_new (GTK_SIZE_GROUP_HORIZONTAL);
  g_object_get (config, "purpose", &id, NULL);
  pane->purpose = pal_purpose_find (id);
  g_object_set_data_full (G_OBJECT (scroll), "settings-pane", pane, free_pane);

  gtk_container_add (GTK_CONTAINER (advanced), advanced_form (pane));
  gtk_box_pack_start (GTK_BOX (content), prompt_box (pane), FALSE, FALSE, 0);
  gtk_box_pack_start (GTK_BOX (content), purpose_form (pane), FALSE, FALSE, 0);
  gtk_box_pack_start (GTK_BOX (content), pane->extend = extend_form (pane), FALSE, FALSE, 0);
  gtk_box_pack_start (GTK_BOX (content), run_form (pane), FALSE, FALSE, 0);
  gtk_box_pack_start (GTK_BOX (content), machine_form (pane), FALSE, FALSE, 0);
  gtk_box_pack_start (GTK_BOX (content), advanced, FALSE, FALSE, 0);
  gtk_widget_set_margin_end (content, 12);
  gtk_widget_show (advanced);
  gtk_widget_show (content);

  gtk_scrolled_window_set_policy (GTK_SCROLLED_WINDOW (scroll), GTK_POLICY_NEVER,
                                  GTK_POLICY_AUTOMATIC);
  gtk_scrolled_window_set_overlay_scrolling (GTK_SCROLLED_WINDOW (scroll), FALSE);
  gtk_widget_set_size_request (scroll, WIDTH_PX, -1);
  gtk_widget_set_hexpand (scroll, FALSE);
  gtk_container_add (GTK_CONTAINER (scroll), content);
  follow_focus (GTK_CONTAINER (content), scroll);
  gtk_widget_show (scroll);

  show_purpose (pane);
  return scroll;
}

void
pal_settings_pane_add_advanced (GtkWidget *scroll, GtkWidget *widget)
{
  pal_form_add_plain (get_pane (scroll)->advanced, PAL_FORM_WHOLE, widget);
}

void
pal_settings_pane_start (GtkWidget *scroll)
{
  Pane *pane = get_pane (scroll);

  pal_model_row_reload (pane->model_row);
  g_signal_connect (pane->config, "notify::purpose", G_CALLBACK (purpose_changed), pane);
  g_signal_connect (pane->config, "notify", G_CALLBACK (number_changed), pane);
  g_signal_connect_swapped (pane->config, "notify::sampler", G_CALLBACK (update_sampler), pane);
}

void
pal_settings_pane_focus_prompt (GtkWidget *scroll, gboolean to_change)
{
  Pane *pane = get_pane (scroll);

  gtk_widget_grab_focus (pane->prompt);
  if (to_change)
    g_signal_emit_by_name (pane->prompt, "select-all", TRUE);
}

void
pal_settings_pane_set_used (GtkWidget *scroll, gint seed)
{
  pal_seed_row_set_used (get_pane (scroll)->seed_row, seed);
}

void
pal_settings_pane_take (GtkWidget *scroll, const PalResult *result)
{
  Pane                  *pane   = get_pane (scroll);
  g_autoptr (PalRecipe)  recipe = result->recipe ? pal_recipe_parse (result->recipe, NULL) : NULL;

  g_object_set (pane->config, "purpose", pal_purpose_info (result->purpose)->id,
                "prompt", result->prompt ? result->prompt : "", NULL);
  if (recipe)
    g_object_set (pane->config,
                  "negative-prompt", recipe->negative_prompt ? recipe->negative_prompt : "",
                  "steps", recipe->steps, "guidance", recipe->guidance, "eta", recipe->eta,
                  "schedule", recipe->schedule ? recipe->schedule : "automatic",
                  "s-noise", recipe->s_noise, "clip-skip", recipe->clip_skip,
                  "match-colors", ! recipe->keep_colours,
                  "sampler", recipe->sampler ? recipe->sampler : "default",
                  "random", recipe->random == PAL_RANDOM_PHILOX ? "philox" : "torch", NULL);
  if (recipe && recipe->intent != PAL_GENERATE)
    g_object_set (pane->config, "strength", recipe->strength, NULL);

  g_object_set (pane->config, "count", 1, "seed", result->seed, NULL);
}

void
pal_settings_pane_choose_model (GtkWidget *scroll)
{
  pal_model_row_choose (get_pane (scroll)->model_row);
}
