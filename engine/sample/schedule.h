/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Noise schedules: from a model's scheduler configuration to the timesteps and
 * sigmas that an integrator walks. Host only, no OpenCL. */

#ifndef PAL_SAMPLE_SCHEDULE_H
#define PAL_SAMPLE_SCHEDULE_H

#include "io/json.h"

typedef struct _PalSchedule PalSchedule;    /* a row of the table of schedules: constant */

typedef enum { PAL_SPACING_LEADING, PAL_SPACING_TRAILING, PAL_SPACING_LINSPACE } PalSpacing;
typedef enum { PAL_AYS_NONE, PAL_AYS_SD1, PAL_AYS_SDXL } PalAys;   /* whose tuned sigmas fit */
typedef enum { PAL_BETAS_LINEAR, PAL_BETAS_SCALED_LINEAR, PAL_BETAS_COSINE } PalBetas;

/* scheduler_config.json, with the reference's defaults where a field is absent. */
typedef struct
{
  gint          train_timesteps;
  gdouble       beta_start, beta_end;
  PalBetas      betas;
  PalPrediction prediction;
  gboolean      flow;         /* x = (1 - sigma) x0 + sigma n, whatever is predicted */
  PalSpacing    spacing;            /* of FLOW: TRAILING = sigmas 1 to 1/steps, as FLUX has them;
                                     * LINSPACE = 1 to 1/train_timesteps, as SD 3 has them */
  gboolean      spacing_given;      /* else each sampler has its own default */
  gint          steps_offset;
  gboolean      set_alpha_to_one, clip_sample, zero_snr, lower_order_final;
  gdouble       clip_sample_range;
  gint          solver_order, original_inference_steps;
  gdouble       flow_shift;         /* FLOW alone */
  const PalSchedule *schedule;      /* of the sigmas; NULL: as the timesteps give them */
  PalAys        ays;                /* set by the family */
  gchar        *class_name;         /* "DDIMScheduler" */
  PalJson      *json;               /* for what a single sampler needs beyond these; may be NULL */
} PalScheduleConfig;

/* FORMAT or UNSUPPORTED errors name the file and the field. *config is to be cleared
 * after success. */
gboolean pal_schedule_config_read  (PalJson *json, PalScheduleConfig *config, GError **error);

/* The same for a configuration that does not name its class itself. */
gboolean pal_schedule_config_read_as (PalJson *json, const gchar *class_name,
                                      PalScheduleConfig *config, GError **error);

void     pal_schedule_config_clear (PalScheduleConfig *config);
void     pal_schedule_config_copy  (PalScheduleConfig *to, const PalScheduleConfig *from);

/* *schedule = the row of an id as in pal_schedule_list (); NULL, the model's own, for NULL,
 * "" and "automatic". FALSE and an error that lists the ids when it is unknown. */
gboolean pal_schedule_find         (const gchar *id, const PalSchedule **schedule,
                                    GError **error);

#endif
