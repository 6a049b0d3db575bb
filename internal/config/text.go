package config

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"sluice/internal/llm"
)

// scalar decodes a single value.
func (d *decoder) scalar(n ast.Node, v reflect.Value, path string, f *field) {
	if !isScalar(n) {
		d.add(position(n), path, "must be a single value, not "+kindOf(n))
		return
	}
	raw, quoted := scalarText(n)
	res, err := d.resolve(raw)
	if err != nil {
		d.hideScalar(n)
		d.add(position(n), path, err.Error())
		return
	}
	if v.Type() == secretType {
		d.secret(n, v, path, res)
		return
	}
	if res.byRef {
		d.hideScalar(n) // a default may be meant as a secret
		d.byRef[path] = true
		if res.text == "" {
			return // ${NAME:-} without a value: as if the key were absent
		}
	}
	if err := setScalar(v, res, n, quoted, f); err != nil {
		d.add(position(n), path, d.explain(err, path, res))
	}
}

// explain ends a message with the value, but not with one that came from elsewhere.
func (d *decoder) explain(err error, path string, res resolved) string {
	switch {
	case res.byRef:
		return err.Error() + "; its reference stands for something else"
	case !strings.HasPrefix(err.Error(), "must "):
		return err.Error()
	}
	return err.Error() + d.not(path, res.text)
}

func (d *decoder) secret(n ast.Node, v reflect.Value, path string, res resolved) {
	if res.literal {
		d.hideScalar(n)
	}
	if !res.byRef && res.text != "" && d.sensitive(path, res.text) {
		d.notices = append(d.notices, Notice{
			position(n), path,
			"the secret itself stands in the file; ${NAME} or ${file:/path} would keep it out",
		})
	}
	d.byRef[path] = d.byRef[path] || res.byRef
	v.Set(reflect.ValueOf(llm.NewSecret(res.text)))
}

// The places that are of type Secret to be careful, but hold none as a rule.
var (
	headerPath   = regexp.MustCompile(`(^|\.)headers\.[^.]*$`)
	secretHeader = regexp.MustCompile(`(?i)auth|key|token|secret|cookie|password|credential`)
	withPassword = regexp.MustCompile(`://[^/@]*:[^/@]+@|password=`)
)

// sensitive reports whether a literal value of type Secret deserves a notice.
func (d *decoder) sensitive(path, text string) bool {
	switch {
	case path == "database":
		return withPassword.MatchString(text)
	case headerPath.MatchString(path):
		return secretHeader.MatchString(headerPath.FindString(path)[len(".headers"):])
	}
	return true
}

// scalarText returns a scalar as it is written, without its quotes.
func scalarText(n ast.Node) (text string, quoted bool) {
	switch x := n.(type) {
	case *ast.LiteralNode:
		return unshield(x.Value.Value), true
	case *ast.StringNode:
		return unshield(x.Value), x.Token.Indicator != 0 || isQuoted(x)
	}
	return unshield(n.GetToken().Value), false
}

func isQuoted(x *ast.StringNode) bool {
	o := x.Token.Origin
	for i := range len(o) {
		switch o[i] {
		case ' ', '\t', '\r', '\n':
			continue
		case '"', '\'':
			return true
		}
		return false
	}
	return false
}

// setScalar parses a value by its type. Errors end a sentence that begins with the key.
func setScalar(v reflect.Value, res resolved, n ast.Node, quoted bool, f *field) error {
	if v.Kind() == reflect.String {
		if n.Type() != ast.StringType && n.Type() != ast.LiteralType && !res.byRef {
			if e := f.enum(); e != nil {
				return errors.New("must be " + oneOf(e))
			}
			return errors.New("must be text (in quotes, if it looks like a number)")
		}
		v.SetString(res.text)
		return nil
	}
	if word, value, ok := f.word(); ok && res.text == word {
		v.SetInt(value)
		return nil
	}
	if quoted && !res.byRef && f.tag.Get("unit") == "" && v.Type() != durationType {
		return fmt.Errorf("must be a %s without quotes", plainKind(v.Kind()))
	}
	switch v.Kind() {
	case reflect.Bool:
		b, err := parseBool(res.text)
		v.SetBool(b)
		return err
	case reflect.Float64:
		return setFloat(v, res.text, f)
	case reflect.Uint64:
		u, err := parseCount(res.text)
		if err == nil {
			v.SetUint(u)
		}
		return err
	case reflect.Int, reflect.Int64:
		return setInt(v, res.text, f)
	}
	panic("BUG: no way to decode a " + v.Type().String())
}

func plainKind(k reflect.Kind) string {
	if k == reflect.Bool {
		return "true or false"
	}
	return "number"
}

func setFloat(v reflect.Value, text string, f *field) error {
	parse := parseFloat
	if f.tag.Get("unit") == "share" {
		parse = parseShare
	}
	x, err := parse(text)
	if err == nil {
		v.SetFloat(x)
	}
	return err
}

func setInt(v reflect.Value, text string, f *field) error {
	if v.Type() == durationType {
		d, err := parseDuration(text)
		if err == nil {
			v.SetInt(int64(d))
		}
		return err
	}
	if f.tag.Get("unit") == "bytes" {
		n, err := parseSize(text)
		if err == nil {
			v.SetInt(n)
		}
		return err
	}
	u, err := parseCount(text)
	if word, _, ok := f.word(); ok && errors.Is(err, errNumber) {
		err = fmt.Errorf("%w, or %s", err, word)
	}
	if err == nil && u > 1<<53 { // what every JSON reader keeps exact
		err = errors.New("is too large")
	}
	if err == nil {
		v.SetInt(int64(u))
	}
	return err
}
