/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The types that every layer of the engine shares. */

#ifndef PAL_TYPES_H
#define PAL_TYPES_H

#include <glib.h>

G_BEGIN_DECLS

/* Element types of tensors, in memory and in files. Those from PAL_Q8_0 on store blocks of
 * values with their scales, and no single element has a place of its own. */
typedef enum
{
  PAL_F32,
  PAL_F16,
  PAL_BF16,
  PAL_F64,
  PAL_I64,
  PAL_I32,
  PAL_I16,
  PAL_I8,
  PAL_U8,
  PAL_BOOL,
  PAL_F8_E4M3,
  PAL_F8_E5M2,
  PAL_Q8_0,
  PAL_Q4_0,
  PAL_Q4_1,
  PAL_Q5_0,
  PAL_Q5_1,
  PAL_Q4_K,
  PAL_Q5_K,
  PAL_Q6_K,
  PAL_N_DTYPES
} PalDType;

#define PAL_MAX_DIMS 5

/* Dimensions outermost first, as the papers write them. */
typedef struct
{
  gint64 d[PAL_MAX_DIMS];
  guint  n;
} PalShape;

/* Why an operation failed; cancelling is G_IO_ERROR_CANCELLED instead. */
typedef enum
{
  PAL_ERROR_IO,          /* a file can't be read or written */
  PAL_ERROR_FORMAT,      /* a file's content is malformed */
  PAL_ERROR_UNSUPPORTED, /* well-formed, but not something this version does */
  PAL_ERROR_WEIGHT,      /* a model's tensor is missing */
  PAL_ERROR_SHAPE,       /* a tensor has the wrong dimensions */
  PAL_ERROR_MEMORY,      /* the host or the device has too little memory */
  PAL_ERROR_DEVICE,      /* OpenCL reported a failure */
  PAL_ERROR_BUILD,       /* a kernel does not compile */
  PAL_ERROR_ARGUMENT     /* a request's value is out of range */
} PalErrorCode;

/* What a denoiser's output means. */
typedef enum
{
  PAL_PREDICT_EPSILON,
  PAL_PREDICT_V,
  PAL_PREDICT_SAMPLE,
  PAL_PREDICT_FLOW
} PalPrediction;

/* Host generators that users know by their results. */
typedef enum
{
  PAL_RANDOM_TORCH,  /* mt19937 with Box-Muller: a CPU seed in diffusers, ComfyUI */
  PAL_RANDOM_PHILOX  /* Philox4x32-10: a CUDA seed */
} PalRandomKind;

/* Pixels; x and y count from the top left corner. */
typedef struct
{
  gint x, y, width, height;
} PalRect;

typedef struct _PalImage     PalImage;
typedef struct _PalDevice    PalDevice;
typedef struct _PalModel     PalModel;
typedef struct _PalWeights   PalWeights;
typedef struct _PalResidency PalResidency;
typedef struct _PalTape      PalTape;
typedef struct _PalTensor    PalTensor;
typedef struct _PalProgram   PalProgram;

G_END_DECLS

#endif
