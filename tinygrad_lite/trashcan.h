/* Frees deep graphs without recursion: a trashcan that does not need the garbage collector's header.
 *
 * A Value is compiled with mypyc's acyclic=True: it has no header for the cyclic garbage collector, which saves 16 bytes
 * a node and every collection's walk over the graph. mypyc (2.4) still brackets the deallocator of such a class with
 * CPython's trashcan, which keeps postponed objects in a list linked through that very header: it writes into the memory
 * before the object. Hence this one. Past a depth of 100, an object is put on a stack, and the outermost deallocator
 * empties the stack before it returns. The interpreter's lock protects both variables.
 *
 * The compiler includes this file before mypyc's runtime (setup.py).
 */
#ifndef TINYGRAD_LITE_TRASHCAN_H
#define TINYGRAD_LITE_TRASHCAN_H

#include <Python.h>

#ifdef Py_GIL_DISABLED
#error "without the interpreter's lock, build with TINYGRAD_LITE_PURE=1"
#endif

static PyObject **trashcan_stack = NULL;
static Py_ssize_t trashcan_size = 0;
static Py_ssize_t trashcan_room = 0;
static int trashcan_depth = 0;

/* Whether there was memory to postpone the object; without it the recursion goes on. */
static int trashcan_postpone(PyObject *object)
{
    if (trashcan_size == trashcan_room) {
        Py_ssize_t room = trashcan_room ? 2 * trashcan_room : 64;
        PyObject **stack = (PyObject **)realloc(trashcan_stack, (size_t)room * sizeof(PyObject *));
        if (stack == NULL)
            return 0;
        trashcan_stack = stack;
        trashcan_room = room;
    }
    trashcan_stack[trashcan_size++] = object;
    return 1;
}

static void trashcan_empty(void)
{
    while (trashcan_size > 0) {
        PyObject *object = trashcan_stack[--trashcan_size];
        Py_TYPE(object)->tp_dealloc(object);
    }
}

#undef Py_TRASHCAN_BEGIN
#undef Py_TRASHCAN_END
#define Py_TRASHCAN_BEGIN(object, dealloc)                                       \
    do {                                                                         \
        if (trashcan_depth >= 100 && trashcan_postpone((PyObject *)(object)))    \
            break;                                                               \
        trashcan_depth++;
#define Py_TRASHCAN_END                                                          \
        if (trashcan_depth == 1 && trashcan_size > 0)                            \
            trashcan_empty();                                                    \
        trashcan_depth--;                                                        \
    } while (0);

#endif
