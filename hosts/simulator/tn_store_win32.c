/*
 * Stores as folders with a file a value, which only their owner and the system may read. A set writes another file, flushes it, and moves it over the old one:
 * after a crash at any moment there is the old value or the new one. A delete moves the value away in the same way, since the system deletes when it pleases.
 *
 * A name with a slash, a backslash or a colon is a path; any other is a folder in %LOCALAPPDATA%\tailnet. The system does not tell "Key" from "key": keys that
 * differ in that only are one.
 */
#include <winsock2.h> /* before windows.h, which else has an older one */
#include <windows.h>
#include <sddl.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "tn_store.h"

#define PATH_SIZE 1024
#define KEY_MAX 64
#define OWNER_AND_SYSTEM L"D:P(A;OICI;FA;;;OW)(A;OICI;FA;;;SY)"

struct tn_store {
	WCHAR folder[PATH_SIZE];
	size_t length;
};

static bool append(WCHAR out[PATH_SIZE], size_t *length, const WCHAR *text)
{
	size_t more = wcslen(text);
	if (more >= PATH_SIZE - *length)
		return false;
	memcpy(out + *length, text, (more + 1) * sizeof *text);
	*length += more;
	return true;
}

/** One folder of a path. What is there stays as it is. */
static bool make_one(const WCHAR *path)
{
	SECURITY_ATTRIBUTES security = {.nLength = sizeof security};
	if (!ConvertStringSecurityDescriptorToSecurityDescriptorW(OWNER_AND_SYSTEM, SDDL_REVISION_1, &security.lpSecurityDescriptor, NULL))
		return false;
	bool is_made = CreateDirectoryW(path, &security) || GetLastError() == ERROR_ALREADY_EXISTS;
	LocalFree(security.lpSecurityDescriptor);
	return is_made;
}

/** Makes a folder with those above it; of these, what cannot be made, such as a drive, is there or fails the last one. */
static bool make_folder(WCHAR *path)
{
	for (WCHAR *slash = path + 1; *slash != L'\0'; slash++) {
		if (*slash != L'\\')
			continue;
		*slash = L'\0';
		make_one(path);
		*slash = L'\\';
	}
	return make_one(path) && (GetFileAttributesW(path) & FILE_ATTRIBUTE_DIRECTORY) != 0;
}

struct tn_store *tn_store_open(const char *name)
{
	WCHAR wide[PATH_SIZE];
	struct tn_store *store = calloc(1, sizeof *store);
	bool is_named = store != NULL && MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, name, -1, wide, PATH_SIZE) > 0;
	if (is_named && wcspbrk(wide, L"/\\:") == NULL) {
		DWORD length = GetEnvironmentVariableW(L"LOCALAPPDATA", store->folder, PATH_SIZE);
		store->length = length;
		is_named = length > 0 && length < PATH_SIZE && append(store->folder, &store->length, L"\\tailnet\\");
	}
	is_named = is_named && append(store->folder, &store->length, wide);
	for (size_t i = 0; is_named && i < store->length; i++) {
		if (store->folder[i] == L'/')
			store->folder[i] = L'\\';
	}
	if (!is_named || !make_folder(store->folder)) {
		free(store);
		return NULL;
	}
	return store;
}

static bool make_path(const struct tn_store *store, const char *key, const WCHAR *suffix, WCHAR out[PATH_SIZE])
{
	WCHAR wide[KEY_MAX + 1];
	size_t length = strlen(key), at = 0;
	if (length == 0 || length > KEY_MAX || strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") != length)
		return false;
	for (size_t i = 0; i <= length; i++)
		wide[i] = (WCHAR)key[i];
	return append(out, &at, store->folder) && append(out, &at, L"\\") && append(out, &at, wide) && append(out, &at, suffix);
}

int tn_store_get(struct tn_store *store, const char *key, uint8_t *out, size_t size)
{
	WCHAR path[PATH_SIZE];
	DWORD length = 0;
	if (!make_path(store, key, L"", path))
		return -2;
	HANDLE file = CreateFileW(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, NULL, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
	if (file == INVALID_HANDLE_VALUE)
		return GetLastError() == ERROR_FILE_NOT_FOUND ? -1 : -2;
	bool is_read = ReadFile(file, out, size > TN_STORE_VALUE_MAX ? TN_STORE_VALUE_MAX : (DWORD)size, &length, NULL);
	CloseHandle(file);
	return is_read ? (int)length : -2;
}

bool tn_store_set(struct tn_store *store, const char *key, const uint8_t *value, size_t length)
{
	WCHAR path[PATH_SIZE], other[PATH_SIZE];
	DWORD written = 0;
	if (length > TN_STORE_VALUE_MAX || !make_path(store, key, L"", path) || !make_path(store, key, L".new", other))
		return false;
	HANDLE file = CreateFileW(other, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
	if (file == INVALID_HANDLE_VALUE)
		return false;
	bool is_written = WriteFile(file, value, (DWORD)length, &written, NULL) && written == length && FlushFileBuffers(file);
	CloseHandle(file);
	if (is_written && MoveFileExW(other, path, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH))
		return true;
	DeleteFileW(other);
	return false;
}

bool tn_store_delete(struct tn_store *store, const char *key)
{
	WCHAR path[PATH_SIZE], other[PATH_SIZE];
	if (!make_path(store, key, L"", path) || !make_path(store, key, L".new", other))
		return false;
	if (!MoveFileExW(path, other, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH))
		return GetLastError() == ERROR_FILE_NOT_FOUND;
	DeleteFileW(other);
	return true;
}

void tn_store_close(struct tn_store *store)
{
	free(store);
}
