package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"sluice/internal/llm"
)

// Redacted returns the effective configuration as YAML, defaults filled in. Secrets are shown by fingerprint only.
func (c *Config) Redacted() []byte {
	out, err := yaml.MarshalWithOptions(tree(reflect.ValueOf(c).Elem(), &field{}), yaml.IndentSequence(true))
	if err != nil {
		panic("BUG: marshal configuration: " + err.Error())
	}
	return out
}

// ID returns a short name for the effective configuration: equal for equal settings, wherever they came from. Secrets
// take part by fingerprint, so that a rotated key gives another ID.
func (c *Config) ID() string {
	sum := sha256.Sum256(c.Redacted())
	return hex.EncodeToString(sum[:6])
}

// tree turns a value into what the YAML encoder writes in our own forms of durations, sizes and secrets.
func tree(v reflect.Value, f *field) any {
	switch t := v.Type(); {
	case isStruct(t):
		out := yaml.MapSlice{}
		for _, f := range fieldsOf(t) {
			fv := v.FieldByIndex(f.index)
			if isStruct(f.typ) && fv.IsZero() {
				continue // a group that nobody set, such as sim of a provider that is real
			}
			out = append(out, yaml.MapItem{Key: f.key, Value: tree(fv, &f)})
		}
		return out
	case t.Kind() == reflect.Map:
		out := yaml.MapSlice{}
		for _, k := range sortedKeys(v) {
			out = append(out, yaml.MapItem{Key: k, Value: tree(v.MapIndex(reflect.ValueOf(k)), f)})
		}
		return out
	case t.Kind() == reflect.Slice && f.tag.Get("keyed") != "":
		out := yaml.MapSlice{}
		for i := range v.Len() {
			name := v.Index(i).FieldByName(f.tag.Get("keyed")).String()
			out = append(out, yaml.MapItem{Key: name, Value: tree(v.Index(i), f)})
		}
		return out
	case t.Kind() == reflect.Slice:
		out := make([]any, v.Len())
		for i := range out {
			out[i] = tree(v.Index(i), f)
		}
		return out
	default:
		return plainValue(v, f)
	}
}

func sortedKeys(v reflect.Value) []string {
	keys := make([]string, 0, v.Len())
	for _, k := range v.MapKeys() {
		keys = append(keys, k.String())
	}
	slices.Sort(keys)
	return keys
}

// plainValue returns a single value in the form that the loader reads; a secret by its fingerprint.
func plainValue(v reflect.Value, f *field) any {
	if word, value, ok := f.word(); ok && v.Int() == value {
		return word
	}
	switch x := v.Interface().(type) {
	case llm.Secret:
		return x.String()
	case time.Duration:
		return formatDuration(x)
	case float64:
		if f.tag.Get("unit") == "share" {
			return formatShare(x)
		}
		return x
	case int64:
		if f.tag.Get("unit") == "bytes" {
			return formatSize(x)
		}
		return x
	default:
		return x
	}
}

// Change is one setting that differs between two configurations. Secrets show as fingerprints.
type Change struct {
	Key      string // key path
	Old, New string // values as YAML would have them; empty where the key is absent
	Restart  bool   // takes effect only when the program starts again
}

// Diff lists the settings that differ, in the order of the key paths of the new configuration, then those that are gone.
func Diff(before, after *Config) []Change {
	a, b := leaves(before), leaves(after)
	was := make(map[string]leaf, len(a))
	for _, l := range a {
		was[l.key] = l
	}
	var out []Change
	for _, l := range b {
		if w, ok := was[l.key]; !ok || w.value != l.value {
			out = append(out, Change{l.key, w.value, l.value, l.restart})
		}
		delete(was, l.key)
	}
	for _, l := range a {
		if w, gone := was[l.key]; gone {
			out = append(out, Change{l.key, w.value, "", l.restart})
		}
	}
	return append(out, orderChanges(before, after)...)
}

// orderChanges reports providers whose order differs: it decides which one serves a bare model name.
func orderChanges(before, after *Config) []Change {
	names := func(c *Config) (all []string) {
		for _, p := range c.Providers {
			all = append(all, p.Name)
		}
		return all
	}
	a, b := names(before), names(after)
	if slices.Equal(a, b) || !slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))) {
		return nil
	}
	return []Change{{Key: "providers", Old: strings.Join(a, ", "), New: strings.Join(b, ", ")}}
}

// leaf is a single value, or an empty mapping or list.
type leaf struct {
	key, value string
	restart    bool
}

func leaves(c *Config) []leaf {
	var out []leaf
	addLeaves(&out, reflect.ValueOf(c).Elem(), "", &field{}, false)
	return out
}

func addLeaves(out *[]leaf, v reflect.Value, path string, f *field, restart bool) {
	restart = restart || f.tag.Get("reload") == "restart"
	switch t := v.Type(); {
	case isStruct(t):
		for _, f := range fieldsOf(t) {
			addLeaves(out, v.FieldByIndex(f.index), join(path, f.key), &f, restart)
		}
	case t.Kind() == reflect.Map:
		for _, k := range sortedKeys(v) {
			addLeaves(out, v.MapIndex(reflect.ValueOf(k)), join(path, k), f, restart)
		}
	case t.Kind() == reflect.Slice:
		for i := range v.Len() {
			at := path + "[" + strconv.Itoa(i) + "]"
			if name := f.tag.Get("keyed"); name != "" {
				at = join(path, v.Index(i).FieldByName(name).String())
			}
			addLeaves(out, v.Index(i), at, f, restart)
		}
	default:
		*out = append(*out, leaf{path, fmt.Sprint(plainValue(v, f)), restart})
	}
}

// keepRestart puts the values of before in the place of those settings of after that take effect only at a start, and
// returns the key paths where they differed.
func keepRestart(before, after *Config) []string {
	var held []string
	for _, ch := range Diff(before, after) {
		if ch.Restart {
			held = append(held, ch.Key)
		}
	}
	copyRestart(reflect.ValueOf(before).Elem(), reflect.ValueOf(after).Elem())
	return held
}

func copyRestart(from, to reflect.Value) {
	for _, f := range fieldsOf(from.Type()) {
		a, b := from.FieldByIndex(f.index), to.FieldByIndex(f.index)
		switch {
		case f.tag.Get("reload") == "restart":
			b.Set(a)
		case isStruct(f.typ):
			copyRestart(a, b)
		}
	}
}
