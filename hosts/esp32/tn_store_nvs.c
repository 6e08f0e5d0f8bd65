/*
 * Stores as namespaces of NVS, names and keys of at most 15 characters. NVS writes a new value before it gives up the old one. What lies there is as readable as
 * the flash is, unless the image has encrypted NVS (NVS_ENCRYPTION, with flash encryption or an HMAC key in eFuse).
 */
#include "nvs_flash/include/nvs.h"
#include "tn_port.h"
#include "tn_store.h"

struct tn_store {
	nvs_handle_t handle;
};

struct tn_store *tn_store_open(const char *name)
{
	struct tn_store *store = tn_port_allocate(sizeof *store);
	if (store == NULL)
		return NULL;
	if (nvs_open(name, NVS_READWRITE, &store->handle) == ESP_OK)
		return store;
	tn_port_free(store);
	return NULL;
}

int tn_store_get(struct tn_store *store, const char *key, uint8_t *out, size_t size)
{
	size_t length = size;
	esp_err_t error = nvs_get_blob(store->handle, key, out, &length);
	if (error == ESP_ERR_NVS_NOT_FOUND)
		return -1;
	return error == ESP_OK ? (int)length : -2;
}

bool tn_store_set(struct tn_store *store, const char *key, const uint8_t *value, size_t length)
{
	return length <= TN_STORE_VALUE_MAX && nvs_set_blob(store->handle, key, value, length) == ESP_OK && nvs_commit(store->handle) == ESP_OK;
}

bool tn_store_delete(struct tn_store *store, const char *key)
{
	esp_err_t error = nvs_erase_key(store->handle, key);
	return error == ESP_ERR_NVS_NOT_FOUND || (error == ESP_OK && nvs_commit(store->handle) == ESP_OK);
}

void tn_store_close(struct tn_store *store)
{
	nvs_close(store->handle);
	tn_port_free(store);
}
