package gemini

import (
	"bytes"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// decoder reads a valid body for its translation. The first error stays, and later reads return zero values, so that it reads
// straight down and looks once at the end. What is read of no object's members ends up in extra.
type decoder struct {
	err   *llm.Error
	extra []llm.Member
}

func (d *decoder) fail(param, format string, args ...any) {
	if d.err == nil {
		d.err = bad(param, format, args...)
	}
}

// object is a JSON object of the body. Names are told apart in their camelCase spelling.
type object struct {
	d       *decoder
	path    string
	members []member
}

type member struct {
	name  string // camelCase
	as    string // as it is written
	value []byte
	used  bool
}

// element is a value with its path.
type element struct {
	path  string
	value []byte
}

// object reads a value that must be an object.
func (d *decoder) object(e element) *object {
	o := &object{d: d, path: e.path}
	var sc wire.Scanner
	sc.Reset(e.value)
	if k := sc.Kind(); !sc.Object() {
		d.fail(e.path, "%s is %s; it must be an object", e.path, k)
		return o
	}
	for {
		name, ok := sc.Member()
		if !ok {
			return o
		}
		as := string(name)
		o.members = append(o.members, member{name: camel(as), as: as, value: sc.Value().Of(e.value)})
	}
}

// raw returns the value of a member; nil if it is not there, or null.
func (o *object) raw(name string) []byte {
	var found *member
	for i := range o.members {
		m := &o.members[i]
		if m.name != name {
			continue
		}
		if found != nil {
			o.d.fail(o.at(name), "%s is there twice", o.at(name))
			return nil
		}
		found = m
	}
	if found == nil {
		return nil
	}
	found.used = true
	if string(found.value) == "null" {
		return nil
	}
	return found.value
}

func (o *object) at(name string) string { return join(o.path, name) }

// kind returns the kind of a value that is there.
func kind(value []byte) wire.Kind {
	var sc wire.Scanner
	sc.Reset(value)
	return sc.Kind()
}

// text returns a string member.
func (o *object) text(name string) string {
	v := o.raw(name)
	if v == nil {
		return ""
	}
	if k := kind(v); k != wire.String {
		o.d.fail(o.at(name), "%s is %s; it must be a string", o.at(name), k)
		return ""
	}
	return unquote(v)
}

// number returns a number member as it is written; Google takes it in quotes too.
func (o *object) number(name string) llm.Number {
	v := o.raw(name)
	if v == nil {
		return ""
	}
	lit := bytes.Trim(v, `"`)
	if k := kind(v); (k == wire.Number || k == wire.String) && kind(lit) == wire.Number && wire.Valid(lit) {
		return llm.Number(lit)
	}
	o.d.fail(o.at(name), "%s is %s; it must be a number", o.at(name), wire.Clip(v, 32))
	return ""
}

// integer returns a whole number that is at least least.
func (o *object) integer(name string, least int64) int64 {
	n := o.number(name)
	if n == "" {
		return 0
	}
	v, ok := wire.Int([]byte(n))
	if !ok || v < least || v > wire.MaxCount {
		o.d.fail(o.at(name), "%s is %s; it must be a whole number of at least %d", o.at(name), n, least)
		return 0
	}
	return v
}

// boolean returns a boolean member. there is false if it is missing.
func (o *object) boolean(name string) (v, there bool) {
	raw := o.raw(name)
	if raw == nil {
		return false, false
	}
	if k := kind(raw); k != wire.Bool {
		o.d.fail(o.at(name), "%s is %s; it must be a boolean", o.at(name), k)
	}
	return raw[0] == 't', true
}

// sub returns an object member; nil if it is missing.
func (o *object) sub(name string) *object {
	v := o.raw(name)
	if v == nil {
		return nil
	}
	return o.d.object(element{o.at(name), v})
}

// list returns the elements of an array member. Google takes a single object in place of a list with one.
func (o *object) list(name string) []element {
	v := o.raw(name)
	if v == nil {
		return nil
	}
	var sc wire.Scanner
	sc.Reset(v)
	if sc.Kind() == wire.Object {
		return []element{{o.at(name), v}}
	}
	if k := sc.Kind(); !sc.Array() {
		o.d.fail(o.at(name), "%s is %s; it must be an array", o.at(name), k)
		return nil
	}
	var all []element
	for sc.Element() {
		all = append(all, element{index(o.at(name), len(all)), sc.Value().Of(v)})
	}
	return all
}

// texts returns the strings of an array member.
func (o *object) texts(name string) []string {
	var all []string
	for _, e := range o.list(name) {
		if k := kind(e.value); k != wire.String {
			o.d.fail(e.path, "%s is %s; it must be a string", e.path, k)
			return nil
		}
		all = append(all, unquote(e.value))
	}
	return all
}

// rest adds the members that were not read to extra, under their path.
func (o *object) rest() {
	for i := range o.members {
		if m := &o.members[i]; !m.used && string(m.value) != "null" {
			o.d.extra = append(o.d.extra, llm.Member{Name: join(o.path, m.as), Value: string(m.value)})
		}
	}
}

// enum returns a string member in upper case without its prefix.
func (o *object) enum(name, prefix string) string {
	return strings.TrimPrefix(strings.ToUpper(o.text(name)), prefix)
}
