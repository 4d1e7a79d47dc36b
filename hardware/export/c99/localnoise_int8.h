/* localnoise: the noise of a grid on an 8-bit tensor of a network of your own, such as TFLM's, CMSIS-NN's or X-CUBE-AI's.
 *
 * A value of such a tensor is (q - zero_point) * scale; both stand in the model's file, beside the layer that the grid was
 * learned behind. In the loop that averages logits over draws, copy the layer's output, add noise, run the rest:
 *
 *     static const ln_tensor layer = LN_TENSOR(0.0235, -3, LN_HWC);
 *     static ln_word scratch[LN_INT8_SCRATCH];
 *     ln_add_noise_int8(&noise, &layer, q, scratch);
 *
 * The arithmetic: noise of word eta of unit u adds
 *
 *     floor(eta * inverse * 2^-(16 + ln_scale[u]) + 1/2)
 *
 * to q, which saturates at -128 and 127. Where units read activations, they read
 *
 *     floor((q - zero_point) * scale * 2^(LN_ACTIVATION_SCALE - 24) + 1/2)
 *
 * clipped to LN_ACTIVATION_BITS bits. localnoise.hardware.int8 does the same to the bit.
 */
#ifndef LOCALNOISE_INT8_H
#define LOCALNOISE_INT8_H

#include "localnoise.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LN_HWC 0 /* the channels of a place lie side by side: TFLM, CMSIS-NN */
#define LN_CHW 1 /* the places of a channel lie side by side: ONNX, PyTorch */
#define LN_INT8_SCRATCH ((LN_READERS > 0) ? (2U * LN_NEURONS) : (1U * LN_NEURONS))

typedef struct {
    int32_t zero_point;
    uint32_t scale;   /* of the tensor, times 2^24, half up */
    uint32_t inverse; /* 2^16 divided by it, half up */
    int layout;       /* LN_HWC or LN_CHW */
} ln_tensor;

/* A tensor of a scale from 0.0001 to 100: a constant that the compiler works out, so that no float is left. */
#define LN_TENSOR(SCALE, ZERO, LAYOUT) { (ZERO), (uint32_t)(((SCALE) * 16777216.0) + 0.5), (uint32_t)((65536.0 / (SCALE)) + 0.5), (LAYOUT) }

/* Add one draw to q. A signal-dependent grid reads q as it is before. */
void ln_add_noise_int8(ln_noise *noise, const ln_tensor *tensor, int8_t q[LN_NEURONS], ln_word scratch[LN_INT8_SCRATCH]);

#ifdef __cplusplus
}
#endif

#endif
