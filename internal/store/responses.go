package store

import (
	"context"
	"fmt"
	"time"

	"sluice/internal/thread"
)

const responseColumns = "key_name, id, created_us, expires_us, model, provider, previous_id, status, bytes, input, body"

// PutResponse stores a response, in place of one of the same owner and id.
func (s *Store) PutResponse(ctx context.Context, r *thread.Response) error {
	if r.ID == "" || r.ID != clean(r.ID, maxText) {
		return fmt.Errorf("store response: its id %.40q must be of 1 to %d bytes of text", r.ID, maxText)
	}
	return s.change(ctx, "store response "+r.ID, func(do func(query string, args ...any) error) error {
		return do("INSERT INTO responses ("+responseColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"+
			" ON CONFLICT (key_name, id) DO UPDATE SET created_us = excluded.created_us, expires_us = excluded.expires_us, model = excluded.model,"+
			" provider = excluded.provider, previous_id = excluded.previous_id, status = excluded.status, bytes = excluded.bytes,"+
			" input = excluded.input, body = excluded.body",
			r.Key, r.ID, micros(r.Created), micros(r.Expires), clean(r.Model, maxText), r.Provider, clean(r.Previous, maxText), clean(r.Status, maxText),
			len(r.Input)+len(r.Body), r.Input, r.Body)
	})
}

// Response returns the response of an owner that has an id and has not expired by now. The error is thread.ErrNotFound if there is none.
func (s *Store) Response(ctx context.Context, key, id string, now time.Time) (thread.Response, error) {
	if id != clean(id, maxText) {
		return thread.Response{}, fmt.Errorf("%w: %q", thread.ErrNotFound, id)
	}
	all, err := s.responses(ctx, "SELECT "+responseColumns+" FROM responses WHERE key_name = ? AND id = ? AND expires_us > ?", key, id, micros(now))
	if err != nil {
		return thread.Response{}, err
	}
	if len(all) == 0 {
		return thread.Response{}, fmt.Errorf("%w: %s", thread.ErrNotFound, id)
	}
	return all[0], nil
}

// Conversation returns the response of an owner that has an id, with those that it goes on with, oldest first. The error is
// thread.ErrNotFound if one of them is not there any more, and names it; thread.ErrTooLong if they are over the limits of thread.
func (s *Store) Conversation(ctx context.Context, key, id string, now time.Time) ([]thread.Response, error) {
	if id != clean(id, maxText) {
		return nil, fmt.Errorf("%w: %q", thread.ErrNotFound, id)
	}
	all, err := s.responses(ctx, "WITH RECURSIVE chain (id, previous_id, depth) AS ("+
		" SELECT id, previous_id, 1 FROM responses WHERE key_name = ? AND id = ? AND expires_us > ?"+
		" UNION ALL"+
		" SELECT r.id, r.previous_id, c.depth + 1 FROM responses r JOIN chain c ON r.id = c.previous_id"+
		" WHERE r.key_name = ? AND r.expires_us > ? AND c.depth <= ?)"+
		" SELECT r.key_name, r.id, r.created_us, r.expires_us, r.model, r.provider, r.previous_id, r.status, r.bytes, r.input, r.body"+
		" FROM chain c JOIN responses r ON r.id = c.id AND r.key_name = ? ORDER BY c.depth DESC",
		key, id, micros(now), key, micros(now), thread.MaxTurns, key)
	switch {
	case err != nil:
		return nil, err
	case len(all) == 0:
		return nil, fmt.Errorf("%w: %s", thread.ErrNotFound, id)
	case len(all) > thread.MaxTurns:
		return nil, fmt.Errorf("%w: it has more than %d responses", thread.ErrTooLong, thread.MaxTurns)
	case all[0].Previous != "":
		return nil, fmt.Errorf("%w: %s", thread.ErrNotFound, all[0].Previous)
	}
	return all, nil
}

// DeleteResponse deletes the response of an owner that has an id. The error is thread.ErrNotFound if there is none.
func (s *Store) DeleteResponse(ctx context.Context, key, id string) error {
	if id != clean(id, maxText) {
		return fmt.Errorf("%w: %q", thread.ErrNotFound, id)
	}
	verb := "delete response " + id
	res, err := s.write.ExecContext(ctx, s.dialect.rebind("DELETE FROM responses WHERE key_name = ? AND id = ?"), key, id)
	if err != nil {
		return s.explain(verb, err)
	}
	if n, err := res.RowsAffected(); err != nil {
		return s.explain(verb, err)
	} else if n == 0 {
		return fmt.Errorf("%w: %s", thread.ErrNotFound, id)
	}
	return nil
}

// cleanBatch is how many responses one statement deletes, so that none holds the database for long.
const cleanBatch = 500

// CleanResponses deletes responses that have expired by now, and then the oldest until the others take maxBytes at most. It returns
// how many it has deleted.
func (s *Store) CleanResponses(ctx context.Context, now time.Time, maxBytes int64) (deleted int64, err error) {
	n, err := s.deleteResponses(ctx, "SELECT key_name, id FROM responses WHERE expires_us <= ? ORDER BY expires_us LIMIT ?", micros(now), cleanBatch)
	if err != nil {
		return n, err
	}
	// A row goes if those that came after it, and itself, take more than there is room for.
	m, err := s.deleteResponses(ctx, "SELECT key_name, id FROM (SELECT key_name, id, created_us,"+
		" SUM(bytes) OVER (ORDER BY created_us DESC, key_name DESC, id DESC ROWS UNBOUNDED PRECEDING) AS total FROM responses) AS sized"+
		" WHERE total > ? ORDER BY created_us LIMIT ?", maxBytes, cleanBatch)
	return n + m, err
}

// deleteResponses deletes the responses that query picks, until it picks none; its last argument is the limit of one batch.
func (s *Store) deleteResponses(ctx context.Context, query string, args ...any) (deleted int64, err error) {
	for {
		res, err := s.write.ExecContext(ctx, s.dialect.rebind("DELETE FROM responses WHERE (key_name, id) IN ("+query+")"), args...)
		if err != nil {
			return deleted, s.explain("clean up responses", err)
		}
		n, err := res.RowsAffected()
		if err != nil {
			return deleted, s.explain("clean up responses", err)
		}
		deleted += n
		if n < cleanBatch {
			return deleted, nil
		}
	}
}

// responses reads rows of responseColumns. The error is thread.ErrTooLong if they take more than a conversation may.
func (s *Store) responses(ctx context.Context, query string, args ...any) ([]thread.Response, error) {
	const verb = "read responses"
	rows, err := s.read.QueryContext(ctx, s.dialect.rebind(query), args...)
	if err != nil {
		return nil, s.explain(verb, err)
	}
	defer rows.Close()
	var all []thread.Response
	total := int64(0)
	for rows.Next() {
		var r thread.Response
		var created, expires, bytes int64
		if err := rows.Scan(&r.Key, &r.ID, &created, &expires, &r.Model, &r.Provider, &r.Previous, &r.Status, &bytes, &r.Input, &r.Body); err != nil {
			return nil, s.explain(verb, err)
		}
		if total += bytes; total > thread.MaxBytes && len(all) > 0 {
			return nil, fmt.Errorf("%w: it has more than %d bytes", thread.ErrTooLong, thread.MaxBytes)
		}
		r.Created, r.Expires = fromMicros(created), fromMicros(expires)
		all = append(all, r)
	}
	if err := rows.Err(); err != nil {
		return nil, s.explain(verb, err)
	}
	return all, nil
}
