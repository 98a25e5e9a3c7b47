# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
What an object is configured to do, as text that can be compared.
"""

import dis
import functools
import hashlib
import inspect
import re
import sys
from contextvars import ContextVar

import numpy as np
from astropy.modeling import CompoundModel, Model, Parameter
from astropy.modeling.models import Const2D
from astropy.nddata import NDData
from astropy.table import Table
from astropy.units import UnitBase

__all__ = ['describe']

# Parameters that do not change results
_IGNORED = ('n_threads', 'n_processes', 'progress_bar', 'folder')

# Packages whose objects have their parameters as attributes of these names;
# what else they hold are loggers, locks, and results
_WELL_KNOWN = {'astropy', 'lpiphot', 'numpy', 'photutils', 'scipy',
               *sys.stdlib_module_names} - {'__main__'}

# What is being described just now: the objects that hold the next one
_HOLDERS = ContextVar('holders', default=())

_ADDRESS = re.compile(r' at 0x[0-9a-fA-F]+')


@functools.singledispatch
def describe(value):
    """
    Describe a value by what it does, in lists, dicts and text.

    Arrays are described by a hash of their values; models by class,
    parameters, constraints and arrays, and those made of two by their
    operator and both; functions by their name, code, defaults and
    the variables from outside that they use, and the functions of their
    module that they call likewise; other objects by their class and
    the attributes that have the names of the parameters of its
    ``__init__``, or else by their ``repr``. Objects of the user's own
    classes are described by all other attributes as well, whatever
    their names, but for cached properties: one that keeps what it
    found is another object after a call. Numbers of threads and the
    like, which do not change results, are left out. What is not seen:
    the code of classes and of other modules, and files.

    Parameters
    ----------
    value : object
        The value.

    Returns
    -------
    description : object
        The description: made of `dict`, `list`, `str`, numbers and
        `None`, as JSON can hold. It is the same in another process; that
        of a function is of the minor version of Python as well.
    """
    if inspect.ismethod(value):
        return [describe(value.__self__), value.__func__.__qualname__]
    if inspect.isroutine(value) and not inspect.isfunction(value):
        return getattr(value, '__qualname__', repr(value))
    return _function(value) if inspect.isfunction(value) else _object(value)


@describe.register(bool)
@describe.register(int)
@describe.register(float)
@describe.register(str)
@describe.register(type(None))
def _same(value):
    return value


@describe.register(np.generic)
def _number(value):
    return value.item()


@describe.register(list)
@describe.register(tuple)
def _sequence(value):
    return [describe(item) for item in value]


@describe.register(set)
@describe.register(frozenset)
def _set(value):
    return sorted((describe(item) for item in value), key=repr)


@describe.register(dict)
def _mapping(value):
    return {str(key): describe(item) for key, item in value.items()}


@describe.register(NDData)
def _image(value):
    parts = (value.data, value.unit, value.mask,
             getattr(value.uncertainty, 'array', None),
             type(value.uncertainty).__name__)
    return [type(value).__name__, *(describe(part) for part in parts)]


@describe.register(Table)
def _table(value):
    return {name: _array(value[name]) for name in value.colnames}


@describe.register(UnitBase)
def _unit(value):
    return value.to_string()


@describe.register(type)
def _class(value):
    return value.__qualname__


@describe.register(functools.partial)
def _partial(value):
    return [describe(value.func), describe(value.args),
            describe(value.keywords)]


def _function(value):
    """
    Describe a function, and those of its module that it calls.
    """
    functions = [value]
    parts = []
    for function in functions:  # which grows
        code, scope = function.__code__, function.__globals__
        used = {name: scope[name] for name in _global_names(code)
                if name in scope and not inspect.ismodule(scope[name])}
        for name, cell in zip(code.co_freevars, function.__closure__ or (),
                              strict=True):
            used[name] = cell.cell_contents
        for name, item in used.items():
            if inspect.isfunction(item):
                if (item.__module__ == value.__module__
                        and item not in functions):
                    functions.append(item)
                used[name] = f'{item.__module__}.{item.__qualname__}'
        parts.append([f'{function.__module__}.{function.__qualname__}',
                      _code(code), describe(function.__defaults__),
                      describe(function.__kwdefaults__), describe(used)])
    return parts


def _global_names(code):
    """
    Yield the names of the global variables that some code uses.
    """
    for step in dis.get_instructions(code):
        if step.opname in ('LOAD_GLOBAL', 'LOAD_NAME'):
            yield step.argval
    for item in filter(inspect.iscode, code.co_consts):
        yield from _global_names(item)


def _code(code):
    """
    Describe code: that of functions within functions is a constant.
    """
    # Bytecode is what runs. The source would be the same for another minor
    # version of Python, but it is read from a file that may have changed
    # since, and not all functions have one; that of a lambda is a whole
    # line. With another Python the folder is refused; rounds never mix.
    consts = [_code(item) if inspect.iscode(item) else describe(item)
              for item in code.co_consts]
    return _digest(code.co_code + repr((consts, code.co_names)).encode())


def _digest(text):
    return hashlib.sha256(text).hexdigest()[:16]


@describe.register(np.ndarray)
def _array(value):
    """
    Describe an array, Quantity or column by shape, dtype and hash.
    """
    mask = getattr(value, 'mask', None)
    unit = getattr(value, 'unit', None)
    plain = np.asarray(getattr(value, 'unmasked', value))
    plain = np.ascontiguousarray(plain.astype(plain.dtype.newbyteorder('<')))
    if plain.dtype.hasobject:  # its bytes are addresses
        text = repr(describe(plain.tolist())).encode()
    else:
        text = plain.tobytes()
    parts = [str(plain.dtype), list(plain.shape), _digest(text)]
    if mask is not None:
        parts.append(_digest(np.ascontiguousarray(mask).tobytes()))
    if unit is not None:
        parts.append(str(unit))
    return ' '.join(str(part) for part in parts)


@describe.register(Model)
def _model(model):
    """
    Describe a model: class, parameters, and the arrays it is made of.
    """
    return {'model': type(model).__name__} | _once(model, _model_contents)


def _model_contents(model):
    """
    Describe parameters, constraints and arrays of a model.
    """
    description = {}
    if isinstance(model, CompoundModel):
        description['operator'] = model.op
        for name in ('left', 'right'):  # of some operators not a model
            description[name] = describe(getattr(model, name))
    for name in ('fixed', 'bounds', 'tied'):
        description[name] = describe(dict(getattr(model, name)))
    for name, number in zip(model.param_names, model.parameters,
                            strict=False):
        unit = getattr(model, name).unit
        description[name] = (float(number) if unit is None
                             else f'{float(number)} {unit}')
    for name in ('data', 'oversampling', 'origin', 'grid_xypos',
                 'fill_value'):
        if hasattr(model, name):
            description[name] = describe(np.asarray(getattr(model, name)))
    others = vars(Const2D())  # what every model has
    return description | {name: item
                          for name, item in _attributes(model).items()
                          if name not in others}


def _object(value):
    """
    Describe an object by the parameters it was made with.
    """
    return {'class': type(value).__name__} | _once(value, _contents)


def _once(value, contents):
    """
    Describe what an object holds, but not if it is within itself.
    """
    holders = _HOLDERS.get()
    if any(value is holder for holder in holders):
        return {}
    token = _HOLDERS.set((*holders, value))
    try:
        return contents(value)
    finally:
        _HOLDERS.reset(token)


def _contents(value):
    """
    Describe the parameters and attributes of an object.
    """
    description = {}
    try:
        names = [name for name in inspect.signature(type(value)).parameters
                 if name not in _IGNORED]
    except (TypeError, ValueError):  # no signature, as of compiled classes
        names = []
    known = [name for name in names if hasattr(value, name)]
    if not known:
        description['repr'] = _ADDRESS.sub('', repr(value))
    description |= {name: describe(getattr(value, name)) for name in known}
    attributes = _attributes(value)
    if attributes:
        description['attributes'] = attributes
    return description


def _attributes(value):
    """
    Describe all attributes of an object of the user's own class.
    """
    kind = type(value)
    if kind.__module__.split('.')[0] in _WELL_KNOWN:
        return {}
    return {name: describe(item)
            for name, item in sorted(getattr(value, '__dict__', {}).items())
            if name.lstrip('_') not in _IGNORED
            and not isinstance(item, Parameter)
            and not isinstance(inspect.getattr_static(kind, name, None),
                               functools.cached_property)}
