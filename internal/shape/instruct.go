package shape

import (
	"maps"
	"slices"
	"strings"

	"sluice/internal/llm"
)

// maxTold is the size of a schema, in bytes, up to which the instruction repeats it.
const maxTold = 8 << 10

// Instruction returns the instruction, in English, that another attempt is given after fault, what Check found: what is demanded, and what
// was wrong. It is meant to stand behind the request's own messages. Without a fault it only says what is demanded.
func (f *Form) Instruction(fault *llm.Error) string {
	if f == nil {
		return ""
	}
	var b strings.Builder
	found := ""
	if fault != nil {
		found = clip(fault.Message, 512)
		b.WriteString("Your previous answer could not be used: " + strings.TrimPrefix(found, "the model's answer is not in the form that was asked for: ") + ". Answer again.\n")
	}
	if f.text.json {
		what := "one JSON value"
		if f.text.object {
			what = "one JSON object"
		}
		b.WriteString("Answer with " + what + " and nothing else: no words before or after it, no code fence, no comments.\n")
		tell(&b, "It must follow this JSON schema", f.text.schema)
	}
	if len(f.tools) > 0 {
		b.WriteString("If you call a tool, its arguments must be one whole JSON object that follows the tool's JSON schema.\n")
		for _, name := range slices.Sorted(maps.Keys(f.tools)) {
			if strings.Contains(found, argumentsOf(name)) {
				tell(&b, "That of "+clip(name, 64)+" is", f.tools[name].schema)
			}
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// tell repeats a schema.
func tell(b *strings.Builder, what, schema string) {
	switch {
	case schema == "":
	case len(schema) > maxTold:
		b.WriteString(what + ", which the request gives: names, types and required members must be exactly as there.\n")
	default:
		b.WriteString(what + ":\n" + schema + "\n")
	}
}
