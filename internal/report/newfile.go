package report

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// newFile is a file that takes its place when it is whole: a reader sees the old one or the new one, whatever happens in
// between. It ends with commit or abort.
type newFile struct {
	*bufio.Writer
	path string
	file *os.File
}

func createFile(path string) (*newFile, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, err
	}
	return &newFile{Writer: bufio.NewWriter(f), path: path, file: f}, nil
}

// commit syncs the file and gives it its name. After an error there is no new file.
func (f *newFile) commit() error {
	err := errors.Join(f.Flush(), f.file.Chmod(0o644), f.file.Sync(), f.file.Close())
	if err == nil {
		err = os.Rename(f.file.Name(), f.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.file.Name()))
	}
	return syncDir(filepath.Dir(f.path))
}

// abort drops the file. It does so as well as it can: there is an error already.
func (f *newFile) abort() {
	_ = f.file.Close()
	_ = os.Remove(f.file.Name())
}

// replaceFile writes a file whole or not at all.
func replaceFile(path string, content func(io.Writer) error) error {
	f, err := createFile(path)
	if err != nil {
		return err
	}
	if err := content(f); err != nil {
		f.abort()
		return err
	}
	return f.commit()
}

// syncDir makes a rename in dir last. Where directories cannot be synced, the system does so by itself.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	syncErr := d.Sync()
	if errors.Is(syncErr, errors.ErrUnsupported) || errors.Is(syncErr, fs.ErrPermission) || errors.Is(syncErr, fs.ErrInvalid) {
		syncErr = nil
	}
	return errors.Join(syncErr, d.Close())
}
