/* What the compiled engine does otherwise than mypyc and CPython would; the compiler includes this file before mypyc's
 * runtime (setup.py).
 *
 * 1. Frees deep graphs without recursion: a trashcan that does not need the garbage collector's header.
 *
 * A Value is compiled with mypyc's acyclic=True: it has no header for the cyclic garbage collector, which saves 16 bytes
 * a node and every collection's walk over the graph. mypyc (2.4) still brackets the deallocator of such a class with
 * CPython's trashcan, which keeps postponed objects in a list linked through that very header: it writes into the memory
 * before the object. Hence this one. Past a depth of 100, an object is put on a stack, and the outermost deallocator
 * empties the stack before it returns. The interpreter's lock protects both variables.
 *
 * 2. Asks quickly whether a plain number is a Value: before an operator's method is called, mypyc asks that of both
 * operands, and CPython would look up __class__ on a float to answer it. And reads a float without a call.
 *
 * 3. Keeps the memory of some freed nodes, so that short graphs come and go without the allocator.
 */
#ifndef TINYGRAD_LITE_ENGINE_H
#define TINYGRAD_LITE_ENGINE_H

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

/* The memory of a few nodes that were freed, for the next ones. (Their type is set already, and CPython counts one
 * reference to a type for each object that it makes, which mypyc's objects do not give back.) */
#define MOST_FREE_NODES 4096
static PyObject *free_nodes[MOST_FREE_NODES];
static int free_nodes_count = 0;

static inline PyObject *take_node(PyTypeObject *type, size_t size)
{
    PyObject *node;
    if (free_nodes_count > 0) {
        node = free_nodes[--free_nodes_count];
        _Py_NewReference(node);
        return node;
    }
    node = (PyObject *)PyObject_Malloc(size);
    return node == NULL ? PyErr_NoMemory() : PyObject_Init(node, type);
}

static inline void give_node(PyObject *node)
{
    if (free_nodes_count < MOST_FREE_NODES)
        free_nodes[free_nodes_count++] = node;
    else
        PyObject_Free(node);
}

static inline int is_instance_quickly(PyObject *object, PyObject *kind)
{
    PyTypeObject *type = Py_TYPE(object);
    if (type == (PyTypeObject *)kind)
        return 1;
    if ((type == &PyFloat_Type || type == &PyLong_Type) && PyType_CheckExact(kind)
        && PyType_HasFeature((PyTypeObject *)kind, Py_TPFLAGS_HEAPTYPE))
        return 0; /* float and int have no base that was made at run time */
    return PyObject_IsInstance(object, kind);
}
#define PyObject_IsInstance is_instance_quickly

static inline double as_double_quickly(PyObject *object)
{
    return PyFloat_CheckExact(object) ? PyFloat_AS_DOUBLE(object) : PyFloat_AsDouble(object);
}
#define PyFloat_AsDouble as_double_quickly

#endif
