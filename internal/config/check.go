package config

import (
	"fmt"
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"sluice/internal/auth"
	"sluice/internal/cluster"
	"sluice/internal/model"
)

// checker runs the checks of a decoded configuration: those that tags ask for, those of the packages that own the
// settings, and those across packages.
type checker struct {
	*collector
	where  map[string]Position
	failed map[string]bool // key paths, whatever file positions they resolve to
}

// check reports everything that is wrong with c. where may be nil.
func check(c *Config, to *collector, where map[string]Position) {
	ck := &checker{to, where, make(map[string]bool)}
	ck.walk(reflect.ValueOf(c), "", &field{})
	ck.targets(c)
	ck.names(c)
	ck.tiers(c)
	ck.addresses(c)
	ck.database(c)
	ck.redis(c)
}

// fail reports a problem at a key path: in the place of the path, or of what it is nearest within.
func (ck *checker) fail(path, message string) {
	if ck.bad[path] || ck.draft && ck.byRef[path] {
		return // one problem a value: the rest often follows from it
	}
	if ck.inherited(path) {
		return // one problem a value, not one for each model that it holds for
	}
	ck.failed[path] = true
	ck.add(ck.at(path), path, message)
}

// inherited reports whether a model has what is at a key path from the top of the file, where it has been reported.
func (ck *checker) inherited(path string) bool {
	rest, ok := strings.CutPrefix(path, "models.")
	if _, own := ck.where[path]; !ok || own {
		return false
	}
	for i := range len(rest) { // names may have dots in them
		if rest[i] == '.' && ck.failed[rest[i+1:]] {
			return true
		}
	}
	return false
}

func (ck *checker) at(path string) Position {
	for {
		if p, ok := ck.where[path]; ok {
			return p
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			break
		}
		path = path[:i]
	}
	if ck.where == nil {
		return Position{}
	}
	return Position{1, 1}
}

// walk checks v, a pointer to a struct, and all below it.
func (ck *checker) walk(p reflect.Value, path string, f *field) {
	v := p.Elem()
	switch t := v.Type(); {
	case isStruct(t):
		ck.validate(p, path)
		for _, f := range fieldsOf(t) {
			fv := v.FieldByIndex(f.index)
			ck.tags(fv, join(path, f.key), &f)
			ck.walk(fv.Addr(), join(path, f.key), &f)
		}
	case t.Kind() == reflect.Slice:
		for i := range v.Len() {
			at := path + "[" + strconv.Itoa(i) + "]"
			if name := f.tag.Get("keyed"); name != "" {
				at = join(path, v.Index(i).FieldByName(name).String())
			}
			ck.walk(v.Index(i).Addr(), at, f)
		}
	case t.Kind() == reflect.Map && isStruct(t.Elem()):
		for _, k := range v.MapKeys() {
			item := reflect.New(t.Elem())
			item.Elem().Set(v.MapIndex(k))
			ck.walk(item, join(path, k.String()), f)
		}
	}
}

// validate calls the checks that structs bring, those of inlined structs too.
func (ck *checker) validate(p reflect.Value, path string) {
	if x, ok := p.Interface().(interface {
		Validate(fail func(key, message string))
	}); ok {
		x.Validate(func(key, message string) {
			at := join(path, key)
			if ck.byRef[at] && strings.Contains(message, `"`) {
				message = "is not valid; its reference stands for something else" // what is quoted came from elsewhere
			}
			ck.fail(at, message)
		})
	}
	v := p.Elem()
	for i := range v.NumField() {
		if strings.HasSuffix(v.Type().Field(i).Tag.Get("yaml"), ",inline") {
			ck.validate(v.Field(i).Addr(), path)
		}
	}
}

// tags checks what a field's tags ask for.
func (ck *checker) tags(v reflect.Value, path string, f *field) {
	if f.tag.Get("required") == "true" && v.IsZero() {
		ck.fail(path, "is missing")
		return
	}
	if v.Kind() == reflect.Slice && f.enum() != nil {
		for i := range v.Len() {
			ck.enum(v.Index(i).String(), path+"["+strconv.Itoa(i)+"]", f.enum())
		}
	} else if f.enum() != nil {
		ck.enum(v.String(), path, f.enum())
	}
	if limit, ok := f.limit("min"); ok && v.Int() < limit {
		ck.fail(path, "must be at least "+f.tag.Get("min"))
	}
	if limit, ok := f.limit("max"); ok && v.Int() > limit {
		ck.fail(path, "must be at most "+f.tag.Get("max"))
	}
}

// enum checks that a value is one of those there are.
func (ck *checker) enum(v, path string, all []string) {
	if slices.Contains(all, v) {
		return
	}
	message := "must be " + oneOf(all)
	if v != "" {
		message += ck.not(path, v)
	}
	if best := nearest(v, all); best != "" {
		message += fmt.Sprintf("; did you mean %q?", best)
	}
	ck.fail(path, message)
}

// limit reads a limit from a tag, in the form of the field's own values.
func (f *field) limit(tag string) (int64, bool) {
	s := f.tag.Get(tag)
	if s == "" {
		return 0, false
	}
	var n int64
	var err error
	if f.typ == durationType {
		var d time.Duration
		d, err = time.ParseDuration(s)
		n = int64(d)
	} else {
		n, err = strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 10, 64)
	}
	if err != nil {
		panic("BUG: tag " + tag + " of " + f.name + ": " + err.Error())
	}
	return n, true
}

func oneOf(values []string) string {
	if len(values) == 1 {
		return values[0]
	}
	return strings.Join(values[:len(values)-1], ", ") + " or " + values[len(values)-1]
}

// targets checks that each target of a model names a provider.
func (ck *checker) targets(c *Config) {
	if ck.bad["providers"] {
		return
	}
	var names []string
	for _, p := range c.Providers {
		names = append(names, p.Name)
	}
	for _, m := range c.Models {
		seen := make(map[string]int)
		for i, t := range m.Targets {
			path := "models." + m.Name + ".targets[" + strconv.Itoa(i) + "]"
			if ck.where[path+".target"] != (Position{}) {
				path += ".target"
			}
			provider, name, ok := strings.Cut(t.Target, "/")
			first, dup := seen[t.Target]
			switch {
			case t.Target == "": // reported as missing
			case !ok || provider == "" || name == "":
				ck.fail(path, "must be written provider/model"+ck.not(path, t.Target))
			case !slices.Contains(names, provider):
				ck.fail(path, "there is no "+ck.named("provider", path, provider)+suggest(provider, names))
			case dup:
				ck.fail(path, fmt.Sprintf("is the same as targets[%d]", first))
			}
			seen[t.Target] = i
		}
	}
}

// names checks the names that users give.
func (ck *checker) names(c *Config) {
	if where, set := ck.where["providers"]; set && len(c.Providers) == 0 && !ck.bad["providers"] {
		ck.add(where, "providers", "is empty; without the key, providers come from the environment")
	}
	for _, p := range c.Providers {
		path := "providers." + p.Name
		if !providerName(p.Name) {
			ck.fail(path, "a provider's name can have letters, digits, dots, dashes and underscores only")
		}
		if p.PriceAs != "" && c.Prices.PricesFile == "" { // which may name further providers
			at, rows := path+".price_as", model.Embedded().Providers()
			if !slices.Contains(rows, p.PriceAs) {
				ck.fail(at, "the price table has no "+ck.named("provider", at, p.PriceAs)+suggest(p.PriceAs, rows))
			}
		}
		if _, set := ck.where[path+".sim"]; set && p.API != "sim" {
			ck.fail(path+".sim", "has a meaning only with api: sim")
		}
	}
	for _, m := range c.Models {
		if !printable(m.Name) {
			ck.fail("models."+m.Name, "a model's name cannot be empty or have white space or control characters")
		}
	}
	for i, k := range c.Auth.Keys {
		if k.Name != "" && !printable(k.Name) {
			ck.fail(fmt.Sprintf("keys[%d].name", i), "cannot have white space or control characters")
		}
	}
}

func providerName(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) || strings.ContainsRune("._-", r))
	})
}

func printable(s string) bool {
	return s != "" && len(s) <= 256 && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	})
}

// tiers checks that each key's tier exists.
func (ck *checker) tiers(c *Config) {
	var names []string
	for name, t := range c.Auth.Tiers {
		names = append(names, name)
		ck.budget("tiers."+name, t.Limits, t.Users)
	}
	for i, k := range c.Auth.Keys {
		ck.budget(fmt.Sprintf("keys[%d]", i), k.Limits, k.Users)
		if k.Tier != "" && !slices.Contains(names, k.Tier) {
			ck.fail(fmt.Sprintf("keys[%d].tier", i), "there is no "+ck.named("tier", fmt.Sprintf("keys[%d].tier", i), k.Tier)+suggest(k.Tier, names))
		}
	}
}

// budget checks that a budget that is written says its amount: without one it would let everything through.
func (ck *checker) budget(path string, key auth.Limits, users auth.UserLimits) {
	for at, b := range map[string]auth.Budget{path + ".budget": key.Budget, path + ".users.budget": users.Budget} {
		_, written := ck.where[at]
		if _, amount := ck.where[at+".usd"]; written && !amount && b.USD == 0 {
			ck.fail(at+".usd", "is missing: a budget without an amount would let everything through")
		}
	}
}

// addresses checks that both sides can listen.
func (ck *checker) addresses(c *Config) {
	_, port, err := net.SplitHostPort(c.Ingress.Listen)
	if err == nil && c.Console.AdminListen == c.Ingress.Listen && port != "0" {
		ck.fail("admin_listen", "is the same as listen; without it, the admin side shares that address")
	}
}

// database never repeats the URL: it has a password in it.
func (ck *checker) database(c *Config) {
	url := c.Database.Reveal()
	if url != "" && !strings.HasPrefix(url, "postgres://") && !strings.HasPrefix(url, "postgresql://") {
		ck.fail("database", "must begin with postgres:// or postgresql://; SQLite needs data_dir only")
	}
}

// redis never repeats the URL either.
func (ck *checker) redis(c *Config) {
	if c.Redis.Empty() {
		return
	}
	if err := cluster.CheckURL(c.Redis.Reveal()); err != nil {
		ck.fail("redis", err.Error())
	}
}

// Exposed returns an error if clients beyond this machine could call without a key: the address is not loopback and the
// configuration names no keys. Keys in the database, which it knows nothing of, make it safe all the same.
func (c *Config) Exposed() error {
	if c.Ingress.Loopback() || c.Keyed() {
		return nil
	}
	return fmt.Errorf("listen: %s can be reached from other machines and no keys are configured: add `keys`, "+
		"make a key with `sluice keys create`, or listen on 127.0.0.1", c.Ingress.Listen)
}
