package config

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// referenceIntro is the part of the reference page that no struct knows.
const referenceIntro = `# Configuration

Made from the Config structs by ` + "`go generate ./internal/config`" + `; do not edit.

One YAML file holds everything, and everything has a default. ` + "`sluice serve --config FILE`" + ` reads it; without the flag,
` + "`sluice.yaml`" + ` in the working directory is read if it is there. ` + "`sluice config check FILE`" + ` reports every error at once,
each as ` + "`file:line:column: key.path: message`" + `, and warns of secrets that stand in the file. ` + "`sluice config schema`" + ` prints a
JSON Schema for editors. Complete files are in ` + "`examples/`" + `.

## Without a file

Providers come from the environment variables that their own clients read. Each key makes a provider of that name and kind; of
several variables for one thing, the first that is set counts:

%s
` + "`OPENAI_BASE_URL`" + ` alone is enough, for local servers that need no key. Azure takes endpoint and key. Bedrock takes
` + "`AWS_BEARER_TOKEN_BEDROCK`" + `, or the keys of AWS if ` + "`SLUICE_BEDROCK=1`" + ` says that they are meant for it, and a region. Vertex AI takes
` + "`GOOGLE_APPLICATION_CREDENTIALS`" + ` (the path of a file), project and location if ` + "`GOOGLE_GENAI_USE_VERTEXAI=true`" + ` is set. With
none of these there is one simulated provider named ` + "`sim`" + `. A file without ` + "`providers`" + ` takes them from the same variables.

` + "`SLUICE_LISTEN`, `SLUICE_ADMIN_KEY`, `SLUICE_DATABASE_URL`, `SLUICE_REDIS_URL` and `SLUICE_DATA_DIR`" + ` set the keys of those names. They are read
only where there is no file; a file can refer to them. ` + "`DATABASE_URL`" + ` is never read unless a file refers to it: on many
machines it belongs to another program.

## Values

| form | written as |
| --- | --- |
| text | YAML text; what looks like a number needs quotes |
| whole number, number | ` + "`64`, `4_000_000`, `0.5`" + `; never negative |
| duration | ` + "`250ms`, `5s`, `1h30m`" + `; only 0 goes without a unit |
| size | ` + "`32MiB`, `512KiB`, `10MB`" + `, or bytes |
| share | ` + "`20%%` or `0.2`" + ` |
| secret | text, best as a reference |
| pattern | a name in which ` + "`*`" + ` stands for any characters |

A value can refer to what is kept elsewhere:

| reference | stands for |
| --- | --- |
| ` + "`${NAME}`" + ` | the environment variable; unset or empty is an error |
| ` + "`${NAME:-default}`" + ` | the variable, or the default where it is unset or empty; with an empty default, the key counts as absent |
| ` + "`${file:/path}`" + ` | the file's content without the line break at its end; a relative path starts from the configuration's directory |
| ` + "`$${`" + ` | a literal ` + "`${`" + ` |

References are resolved after the file is parsed: a value with quotes, colons or line breaks cannot change the file's shape.
Secrets are never printed; where one would be, its fingerprint is.

A key without a value keeps its default. Unknown and duplicate keys are errors. YAML anchors, aliases and ` + "`<<`" + ` work.

## Reload

A change of the file, of a file that it refers to, or SIGHUP loads the configuration anew. It is parsed and checked whole
and then takes effect whole; a file with an error changes nothing. Calls under way keep the configuration that they began
with. Settings marked **restart** keep their value until the program starts again.

## Keys
`

// reference returns the reference page.
func (g *generator) reference() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, referenceIntro, providerTable())
	g.section(&b, "", defaults(reflect.TypeFor[Config]()), "")
	return b.Bytes()
}

func providerTable() string {
	var b strings.Builder
	b.WriteString("| provider | variables |\n| --- | --- |\n")
	for _, p := range knownProviders() {
		var names []string
		for _, v := range p.Env {
			names = append(names, "`"+v.Name+"`")
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", p.Kind, strings.Join(names, ", "))
	}
	return b.String()
}

// section writes the table of one mapping, then those of the mappings in it.
func (g *generator) section(b *bytes.Buffer, path string, v reflect.Value, about string) {
	if path != "" {
		fmt.Fprintf(b, "\n### %s\n\n%s\n", path, about)
	}
	b.WriteString("\n| key | form | default | meaning |\n| --- | --- | --- | --- |\n")
	type child struct {
		path, about string
		v           reflect.Value
	}
	var children []child
	for _, f := range fieldsOf(v.Type()) {
		fv := v.FieldByIndex(f.index)
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", f.key, formOf(f.typ, &f), defaultText(fv, &f), g.meaning(&f))
		at := strings.TrimPrefix(path+"."+f.key, ".")
		if f.typ.Kind() == reflect.Slice && f.tag.Get("keyed") == "" {
			at += "[]"
		} else if f.typ.Kind() != reflect.Struct {
			at += ".NAME"
		}
		e := element(f.typ)
		if !isStruct(e) {
			continue
		}
		item := fv
		if !isStruct(f.typ) {
			item = defaults(e)
		}
		children = append(children, child{at, g.comment(&f), item})
	}
	for _, c := range children {
		g.section(b, c.path, c.v, c.about)
	}
}

func (g *generator) meaning(f *field) string {
	text := strings.ReplaceAll(g.comment(f), "|", "\\|")
	if lo, hi := f.tag.Get("min"), f.tag.Get("max"); lo != "" || hi != "" {
		var parts []string
		if lo != "" {
			parts = append(parts, "at least "+lo)
		}
		if hi != "" {
			parts = append(parts, "at most "+hi)
		}
		text += " " + strings.ToUpper(parts[0][:1]) + strings.Join(parts, ", ")[1:] + "."
	}
	if e := f.tag.Get("example"); e != "" {
		text += " Example: `" + e + "`."
	}
	if f.tag.Get("reload") == "restart" {
		text += " **restart**"
	}
	return text
}

func formOf(t reflect.Type, f *field) string {
	switch {
	case t == secretType:
		return "secret"
	case isStruct(t):
		return "mapping"
	case t.Kind() == reflect.Map, t.Kind() == reflect.Slice && f.tag.Get("keyed") != "":
		return "mapping: NAME to " + formOf(t.Elem(), f)
	case t.Kind() == reflect.Slice:
		if _, ok := scalarField(structFields(t.Elem())); ok {
			return "list of text or mappings"
		}
		return "list of " + strings.Replace(formOf(t.Elem(), f), "mapping", "mappings", 1)
	case t == reflect.TypeFor[time.Duration]():
		return "duration"
	case f.tag.Get("unit") == "bytes":
		return "size"
	case f.tag.Get("unit") == "share":
		return "share"
	case f.enum() != nil:
		return "`" + strings.Join(f.enum(), "`, `") + "`"
	}
	if word, _, ok := f.word(); ok {
		return "whole number, `" + word + "`"
	}
	switch t.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "`true`, `false`"
	case reflect.Float64:
		return "number"
	default:
		return "whole number"
	}
}

func structFields(t reflect.Type) []field {
	if !isStruct(t) {
		return nil
	}
	return fieldsOf(t)
}

func defaultText(v reflect.Value, f *field) string {
	if f.tag.Get("required") == "true" {
		return "required"
	}
	if d := plainDefault(v, f); d != nil {
		return "`" + fmt.Sprint(d) + "`"
	}
	if v.Kind() == reflect.Slice && v.Len() > 0 {
		return "`" + fmt.Sprint(tree(v, f)) + "`"
	}
	return ""
}
