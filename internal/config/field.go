package config

import (
	"reflect"
	"strconv"
	"strings"
	"time"

	"sluice/internal/llm"
)

// field is one key of a mapping that is decoded into a struct.
type field struct {
	key   string
	index []int // for reflect.Value.FieldByIndex
	typ   reflect.Type
	owner reflect.Type // struct that declares it
	name  string       // Go name in owner
	tag   reflect.StructTag
}

// The types whose form in YAML is not that of their kind.
var (
	secretType   = reflect.TypeFor[llm.Secret]()
	durationType = reflect.TypeFor[time.Duration]()
)

// fieldsOf lists the keys of a struct in their order, those of inlined structs among them.
func fieldsOf(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		sf := t.Field(i)
		key, options, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
		switch {
		case options == "inline":
			for _, f := range fieldsOf(sf.Type) {
				f.index = append([]int{i}, f.index...)
				out = append(out, f)
			}
		case key == "" || key == "-":
		default:
			out = append(out, field{key: key, index: []int{i}, typ: sf.Type, owner: t, name: sf.Name, tag: sf.Tag})
		}
	}
	return out
}

func keysOf(fields []field) []string {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	return keys
}

// enum returns the values that are allowed; nil if all are.
func (f *field) enum() []string {
	if e := f.tag.Get("enum"); e != "" {
		return strings.Split(e, ",")
	}
	return nil
}

// word returns the word that stands for a value in the place of a number, and that value: word:"adaptive=-1".
func (f *field) word() (word string, value int64, ok bool) {
	word, number, ok := strings.Cut(f.tag.Get("word"), "=")
	if !ok {
		return "", 0, false
	}
	value, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		panic("BUG: tag word of " + f.name + ": " + err.Error())
	}
	return word, value, true
}

// isStruct reports whether a type is decoded by its fields.
func isStruct(t reflect.Type) bool { return t.Kind() == reflect.Struct && t != secretType }

// scalarField returns the field that a bare scalar in the struct's place sets.
func scalarField(fields []field) (field, bool) {
	for _, f := range fields {
		if f.tag.Get("scalar") == "true" {
			return f, true
		}
	}
	return field{}, false
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
