/* What a node of a graph costs in C, by hand: a Python type with + - * / on nodes, and backward(). For engine.py alone.
 *
 * No floats as operands, no other operations, no checks: it is the least that an engine of this kind does.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

typedef struct Node {
    PyObject_HEAD
    double number, grad;
    int code, pending;
    struct Node *left, *right;
} Node;

static PyTypeObject NodeType;
static Node **stack = NULL, **order = NULL;
static Py_ssize_t room = 0;

static PyObject *make(int code, double number, Node *left, Node *right)
{
    Node *node = PyObject_New(Node, &NodeType);
    if (node == NULL)
        return NULL;
    node->number = number;
    node->grad = 0.0;
    node->code = code;
    node->pending = 0;
    node->left = left;
    node->right = right;
    Py_XINCREF(left);
    Py_XINCREF(right);
    return (PyObject *)node;
}

#define OPERATOR(name, code, expression)                                  \
    static PyObject *name(PyObject *a, PyObject *b)                       \
    {                                                                     \
        if (Py_TYPE(a) != &NodeType || Py_TYPE(b) != &NodeType)           \
            Py_RETURN_NOTIMPLEMENTED;                                     \
        double x = ((Node *)a)->number, y = ((Node *)b)->number;          \
        return make(code, expression, (Node *)a, (Node *)b);              \
    }
OPERATOR(add, 1, x + y)
OPERATOR(subtract, 2, x - y)
OPERATOR(multiply, 3, x * y)
OPERATOR(divide, 4, x / y)

/* Along the left operands without recursion: chains are as deep as they are long. */
static void node_free(PyObject *self)
{
    Node *node = (Node *)self;
    for (;;) {
        Node *left = node->left, *right = node->right;
        PyObject_Free(node);
        Py_XDECREF(right);
        if (left == NULL)
            return;
        if (Py_REFCNT(left) > 1) {
            Py_DECREF(left);
            return;
        }
        node = left;
    }
}

static PyObject *backward(Node *root, PyObject *none)
{
    Py_ssize_t height = 0, count = 0;
#define GROW                                                              \
    if (height + 2 > room || count + 2 > room) {                          \
        room = room ? 2 * room : 1024;                                    \
        stack = realloc(stack, room * sizeof(Node *));                    \
        order = realloc(order, room * sizeof(Node *));                    \
    }
    GROW;
    stack[height++] = root;
    while (height > 0) { /* counts the edges to each node */
        Node *node = stack[--height];
        GROW;
        if (node->left != NULL && node->left->pending++ == 0 && node->left->code)
            stack[height++] = node->left;
        if (node->right != NULL && node->right->pending++ == 0 && node->right->code)
            stack[height++] = node->right;
    }
    stack[height++] = root;
    while (height > 0) { /* takes them back: a node is next when no edge leads to it any more */
        Node *node = stack[--height];
        GROW;
        order[count++] = node;
        node->grad = 0.0;
        if (node->left != NULL && --node->left->pending == 0 && node->left->code)
            stack[height++] = node->left;
        if (node->right != NULL && --node->right->pending == 0 && node->right->code)
            stack[height++] = node->right;
    }
    root->grad = 1.0;
    for (Py_ssize_t i = 0; i < count; i++) {
        Node *node = order[i];
        double x = node->left->number, y = node->right->number, g = node->grad;
        switch (node->code) {
        case 1: node->left->grad += g; node->right->grad += g; break;
        case 2: node->left->grad += g; node->right->grad -= g; break;
        case 3: node->left->grad += g * y; node->right->grad += g * x; break;
        case 4: node->left->grad += g / y; node->right->grad += g * (-(x / y) / y); break;
        }
    }
    Py_RETURN_NONE;
}

static PyObject *node_new(PyTypeObject *type, PyObject *arguments, PyObject *names)
{
    double number;
    return PyArg_ParseTuple(arguments, "d", &number) ? make(0, number, NULL, NULL) : NULL;
}

static PyObject *get_number(Node *self, void *closure) { return PyFloat_FromDouble(self->number); }
static PyObject *get_grad(Node *self, void *closure) { return PyFloat_FromDouble(self->grad); }

static PyNumberMethods operators = {
    .nb_add = add, .nb_subtract = subtract, .nb_multiply = multiply, .nb_true_divide = divide};
static PyMethodDef methods[] = {{"backward", (PyCFunction)backward, METH_NOARGS, NULL}, {NULL}};
static PyGetSetDef fields[] = {{"data", (getter)get_number}, {"grad", (getter)get_grad}, {NULL}};
static PyTypeObject NodeType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "node.Node", .tp_basicsize = sizeof(Node), .tp_dealloc = node_free,
    .tp_flags = Py_TPFLAGS_DEFAULT, .tp_as_number = &operators, .tp_methods = methods, .tp_getset = fields,
    .tp_new = node_new};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "node", NULL, -1};

PyMODINIT_FUNC PyInit_node(void)
{
    PyObject *made = PyType_Ready(&NodeType) < 0 ? NULL : PyModule_Create(&module);
    if (made != NULL && PyModule_AddObjectRef(made, "Node", (PyObject *)&NodeType) < 0)
        Py_CLEAR(made);
    return made;
}
