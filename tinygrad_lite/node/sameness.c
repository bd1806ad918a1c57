/* The loops of sameness.py in C. setup.py puts each of them in the place of what mypyc made of it.
 *
 * They hold the interpreter's lock and run no code of anybody else (but for descriptors that are no slots), so nothing
 * changes under them. 2 is how a function that mypyc compiled says that it raised.
 */

char CPyDef_sameness___hold_the_same(PyObject *containers, PyObject *contents)
{
    Py_ssize_t count = PyList_GET_SIZE(containers);
    if (PyList_GET_SIZE(contents) != count)
        return 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *container = PyList_GET_ITEM(containers, i);
        PyObject *known = PyList_GET_ITEM(contents, i);
        if (!PyList_CheckExact(known))
            return 0;
        Py_ssize_t size = PyList_GET_SIZE(known);
        if (PyList_CheckExact(container)) {
            if (PyList_GET_SIZE(container) != size)
                return 0;
            for (Py_ssize_t k = 0; k < size; k++)
                if (PyList_GET_ITEM(container, k) != PyList_GET_ITEM(known, k))
                    return 0;
        } else if (PyDict_CheckExact(container)) {
            if (2 * PyDict_Size(container) != size)
                return 0;
            PyObject *key, *item;
            Py_ssize_t at = 0;
            for (Py_ssize_t k = 0; PyDict_Next(container, &at, &key, &item); k += 2)
                if (key != PyList_GET_ITEM(known, k) || item != PyList_GET_ITEM(known, k + 1))
                    return 0;
        } else {
            return 0;
        }
    }
    return 1;
}

char CPyDef_sameness___are_of_the_same(PyObject *objects, PyObject *kinds, PyObject *names)
{
    Py_ssize_t count = PyList_GET_SIZE(objects);
    if (PyList_GET_SIZE(kinds) != count || PyList_GET_SIZE(names) != count)
        return 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *thing = PyList_GET_ITEM(objects, i);
        if ((PyObject *)Py_TYPE(thing) != PyList_GET_ITEM(kinds, i))
            return 0;
        PyObject *attributes = PyObject_GenericGetDict(thing, NULL);
        if (attributes == NULL)
            return 2;
        int is_same = attributes == PyList_GET_ITEM(names, i);
        Py_DECREF(attributes);
        if (!is_same)
            return 0;
    }
    return 1;
}

char CPyDef_sameness___slots_hold_the_same(PyObject *objects, PyObject *slots, PyObject *contents, PyObject *absent)
{
    Py_ssize_t count = PyList_GET_SIZE(objects);
    if (PyList_GET_SIZE(slots) != count || PyList_GET_SIZE(contents) != count)
        return 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *thing = PyList_GET_ITEM(objects, i);
        PyObject *slot = PyList_GET_ITEM(slots, i);
        PyObject *known = PyList_GET_ITEM(contents, i);
        if (Py_IS_TYPE(slot, &PyMemberDescr_Type)) {
            PyMemberDescrObject *member = (PyMemberDescrObject *)slot;
            if (member->d_member->type == 16 /* T_OBJECT_EX: what a name in __slots__ is */
                && PyObject_TypeCheck(thing, member->d_common.d_type)) {
                PyObject *found = *(PyObject **)((char *)thing + member->d_member->offset);
                if ((found == NULL ? absent : found) != known)
                    return 0;
                continue;
            }
        }
        descrgetfunc get = Py_TYPE(slot)->tp_descr_get;
        PyObject *found = get == NULL ? NULL : get(slot, thing, (PyObject *)Py_TYPE(thing));
        if (found == NULL) {
            if (get == NULL || !PyErr_ExceptionMatches(PyExc_AttributeError)) {
                if (get == NULL)
                    PyErr_SetString(PyExc_TypeError, "a slot is what a class has under a name in __slots__");
                return 2;
            }
            PyErr_Clear();
            found = Py_NewRef(absent);
        }
        int is_same = found == known;
        Py_DECREF(found);
        if (!is_same)
            return 0;
    }
    return 1;
}

char CPyDef_sameness___read_numbers(PyObject *leaves, PyObject *codes, PyObject *numbers)
{
    Py_ssize_t count = PyList_GET_SIZE(leaves);
    Py_buffer view;
    if (PyObject_GetBuffer(numbers, &view, PyBUF_WRITABLE) < 0)
        return 2;
    if (PyList_GET_SIZE(codes) != count || view.len != count * (Py_ssize_t)sizeof(double)) {
        PyBuffer_Release(&view);
        PyErr_SetString(PyExc_ValueError, "there are not as many numbers as leaves");
        return 2;
    }
    double *to = view.buf;
    char is_same = 1;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *leaf = PyList_GET_ITEM(leaves, i);
        if (!Py_IS_TYPE(leaf, CPyType_value___Value) && !PyObject_TypeCheck(leaf, CPyType_fields___Node)) {
            PyErr_SetString(PyExc_TypeError, "a leaf is a Value");
            is_same = 2;
            break;
        }
        tinygrad_lite___node___fields___NodeObject *node = (tinygrad_lite___node___fields___NodeObject *)leaf;
        if (node->__code != PyLong_AsLong(PyList_GET_ITEM(codes, i))) {
            is_same = 0;
            break;
        }
        to[i] = node->__number;
    }
    PyBuffer_Release(&view);
    return is_same;
}
