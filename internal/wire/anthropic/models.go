package anthropic

import (
	"strconv"
	"time"

	"sluice/internal/wire"
)

// Model is one row of a model list.
type Model struct {
	ID        string
	Name      string    // for people; ID if empty
	Created   time.Time // zero if not known
	MaxInput  int64     // tokens; 0 if not known
	MaxOutput int64     // likewise
	// What it can do; nil if not known.
	Images, Files, Schema, Thinking, Citations, Batch *bool
}

// unknownSince is what the provider states for a model whose day of release it does not know.
const unknownSince = "1970-01-01T00:00:00Z"

// AppendModel appends one model in the shape of GET /v1/models/{id}. Of capabilities it has those that are known.
func AppendModel(dst []byte, m *Model) []byte {
	name := m.Name
	if name == "" {
		name = m.ID
	}
	dst = append(dst, `{"type":"model","id":`...)
	dst = wire.AppendString(dst, m.ID)
	dst = append(dst, `,"display_name":`...)
	dst = wire.AppendString(dst, name)
	dst = append(dst, `,"created_at":"`...)
	if m.Created.IsZero() {
		dst = append(dst, unknownSince...)
	} else {
		dst = m.Created.UTC().AppendFormat(dst, time.RFC3339)
	}
	dst = append(dst, `","lifecycle":"active","deprecated_at":null,"retires_at":null,"line":null,"max_input_tokens":`...)
	dst = appendKnown(dst, m.MaxInput)
	dst = append(dst, `,"max_tokens":`...)
	dst = appendKnown(dst, m.MaxOutput)
	dst = append(dst, `,"capabilities":`...)
	return append(appendCapabilities(dst, m), '}')
}

// appendCapabilities appends what is known of a model's capabilities, null if nothing is.
func appendCapabilities(dst []byte, m *Model) []byte {
	start := len(dst)
	dst = append(dst, '{')
	open := len(dst)
	for _, c := range [...]struct {
		name string
		can  *bool
	}{
		{"batch", m.Batch},
		{"citations", m.Citations},
		{"image_input", m.Images},
		{"pdf_input", m.Files},
		{"structured_outputs", m.Schema},
		{"thinking", m.Thinking},
	} {
		if c.can == nil {
			continue
		}
		dst = append(comma(dst, open), '"')
		dst = append(dst, c.name...)
		dst = append(dst, `":{"supported":`...)
		dst = append(strconv.AppendBool(dst, *c.can), '}')
	}
	if len(dst) == open {
		return append(dst[:start], "null"...)
	}
	return append(dst, '}')
}

// appendKnown appends a number, null for none.
func appendKnown(dst []byte, n int64) []byte {
	if n <= 0 {
		return append(dst, "null"...)
	}
	return strconv.AppendInt(dst, n, 10)
}

// AppendModels appends a page of models in the shape of GET /v1/models; more says that there are others after it.
func AppendModels(dst []byte, all []Model, more bool) []byte {
	dst = append(dst, `{"data":[`...)
	for i := range all {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendModel(dst, &all[i])
	}
	var first, last string
	if len(all) > 0 {
		first, last = all[0].ID, all[len(all)-1].ID
	}
	dst = append(dst, `],"has_more":`...)
	dst = strconv.AppendBool(dst, more)
	dst = append(dst, `,"first_id":`...)
	dst = appendNullable(dst, first)
	dst = append(dst, `,"last_id":`...)
	return append(appendNullable(dst, last), '}')
}
