/* The loop of walking.py in C. setup.py puts this file in the place of what mypyc made of it, with walk_cases.h in it.
 *
 * Whatever has no case, and a case in which the float function raises, is computed by the Python function `evaluate`.
 * -113.0 is how a function that mypyc compiled says that it raised (or that this is the result).
 */

#define OPERAND(k) (numbers + (int64_t)at[2 + (k)] * width)

/* The operands of an instruction for a sample, as a list of floats; NULL where there is no memory. */
static PyObject *walk_list(const int32_t *at, const double *numbers, int64_t width, int64_t sample)
{
    PyObject *operands = PyList_New(at[1]);
    if (operands == NULL)
        return NULL;
    for (int32_t i = 0; i < at[1]; i++) {
        PyObject *number = PyFloat_FromDouble(OPERAND(i)[sample]);
        if (number == NULL) {
            Py_DECREF(operands);
            return NULL;
        }
        PyList_SET_ITEM(operands, i, number);
    }
    return operands;
}

/* Any operation, for a sample, in Python; 0 where it raises. */
static int walk_in_python(const int32_t *at, const double *numbers, double *z, int64_t width, int64_t sample,
                          PyObject *evaluate)
{
    PyObject *found = NULL;
    PyObject *code = PyLong_FromLong(at[0]);
    PyObject *operands = code == NULL ? NULL : walk_list(at, numbers, width, sample);
    if (operands != NULL)
        found = PyObject_CallFunctionObjArgs(evaluate, code, operands, NULL);
    Py_XDECREF(code);
    Py_XDECREF(operands);
    if (found == NULL)
        return 0;
    z[sample] = PyFloat_AsDouble(found);
    Py_DECREF(found);
    return !(z[sample] == -1.0 && PyErr_Occurred());
}

/* numerics.dot: the bias, which is the last operand, and the products of the first half and the second. */
static inline double walk_dot(const int32_t *at, const double *numbers, int64_t width, int64_t sample)
{
    int32_t half = (at[1] - 1) / 2;
    double result = OPERAND(2 * half)[sample];
    for (int32_t i = 0; i < half; i++)
        result += OPERAND(i)[sample] * OPERAND(half + i)[sample];
    return result;
}

/* numerics.total is the sum of Python, which has compensated its rounding errors since 3.12. */
#if PY_VERSION_HEX < 0x030C0000
#define WALK_TOTAL
static inline double walk_total(const int32_t *at, const double *numbers, int64_t width, int64_t sample)
{
    double result = 0.0;
    for (int32_t i = 0; i < at[1]; i++)
        result += OPERAND(i)[sample];
    return result;
}
#endif

#define EACH_SAMPLE for (int64_t sample = 0; sample < width; sample++)
#define ONE(code, expression)                                                                                          \
    case code: {                                                                                                       \
        const double *xs = OPERAND(0);                                                                                 \
        EACH_SAMPLE {                                                                                                  \
            double x = xs[sample];                                                                                     \
            z[sample] = expression;                                                                                    \
        }                                                                                                              \
        break;                                                                                                         \
    }
#define TWO(code, expression)                                                                                          \
    case code: {                                                                                                       \
        const double *xs = OPERAND(0), *ys = OPERAND(1);                                                               \
        EACH_SAMPLE {                                                                                                  \
            double x = xs[sample], y = ys[sample];                                                                     \
            z[sample] = expression;                                                                                    \
        }                                                                                                              \
        break;                                                                                                         \
    }
#define MANY(code, function)                                                                                           \
    case code:                                                                                                         \
        EACH_SAMPLE z[sample] = function(at, numbers, width, sample);                                                  \
        break;
/* Those that may raise. */
#define STORE_CHECKED(expression)                                                                                      \
    double found = expression;                                                                                         \
    if (likely(found != -113.0) || !PyErr_Occurred())                                                                  \
        z[sample] = found;                                                                                             \
    else {                                                                                                             \
        PyErr_Clear();                                                                                                 \
        if (!walk_in_python(at, numbers, z, width, sample, evaluate))                                                  \
            return 0;                                                                                                  \
    }
#define ONE_CHECKED(code, function)                                                                                    \
    case code:                                                                                                         \
        EACH_SAMPLE {                                                                                                  \
            STORE_CHECKED(function(OPERAND(0)[sample]))                                                                \
        }                                                                                                              \
        break;
#define TWO_CHECKED(code, function)                                                                                    \
    case code:                                                                                                         \
        EACH_SAMPLE {                                                                                                  \
            STORE_CHECKED(function(OPERAND(0)[sample], OPERAND(1)[sample]))                                            \
        }                                                                                                              \
        break;
#define THREE_CHECKED(code, function)                                                                                  \
    case code:                                                                                                         \
        EACH_SAMPLE {                                                                                                  \
            STORE_CHECKED(function(OPERAND(0)[sample], OPERAND(1)[sample], OPERAND(2)[sample]))                        \
        }                                                                                                              \
        break;

#ifdef _MSC_VER
#define ALWAYS_INLINE __forceinline
#else
#define ALWAYS_INLINE inline __attribute__((always_inline))
#endif

#define MANY_CHECKED(code, function)                                                                                   \
    case code:                                                                                                         \
        EACH_SAMPLE {                                                                                                  \
            PyObject *operands = walk_list(at, numbers, width, sample);                                                \
            if (operands == NULL)                                                                                      \
                return 0;                                                                                              \
            double result = function(operands);                                                                        \
            Py_DECREF(operands);                                                                                       \
            STORE_CHECKED(result)                                                                                      \
        }                                                                                                              \
        break;

/* 0 where something raises. Called with the width 1 as a literal, it is compiled for that alone too. */
static ALWAYS_INLINE int walk_over(const int32_t *at, const int32_t *end, double *numbers, double *z, int64_t width,
                                   PyObject *evaluate)
{
    for (; at < end; at += 2 + at[1], z += width) {
        switch (at[0]) {
#include "walk_cases.h"
        default:
            EACH_SAMPLE if (!walk_in_python(at, numbers, z, width, sample, evaluate)) return 0;
        }
    }
    return 1;
}

char CPyDef_walking___walk(PyObject *tape, PyObject *numbers, int64_t first, int64_t width, PyObject *evaluate)
{
    Py_buffer codes, memory;
    if (PyObject_GetBuffer(tape, &codes, PyBUF_SIMPLE) < 0)
        return 2;
    if (PyObject_GetBuffer(numbers, &memory, PyBUF_WRITABLE) < 0) {
        PyBuffer_Release(&codes);
        return 2;
    }
    const int32_t *at = (const int32_t *)codes.buf;
    const int32_t *end = at + codes.len / (Py_ssize_t)sizeof(int32_t);
    double *z = (double *)memory.buf + first * width;
    int done = width == 1 ? walk_over(at, end, (double *)memory.buf, z, 1, evaluate)
                          : walk_over(at, end, (double *)memory.buf, z, width, evaluate);
    PyBuffer_Release(&memory);
    PyBuffer_Release(&codes);
    return done ? 1 : 2;
}
