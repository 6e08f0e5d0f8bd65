/*
 * The radio that the emulated board has not. The SDK's Wi-Fi modules, which come with its network classes, ask for it: it says that it is not there.
 */
#include "esp_wifi.h"
#include "esp_private/wifi.h"
#include "esp_private/wifi_os_adapter.h"
#include "esp_wifi_crypto_types.h"

#define ABSENT(name, ...)                                                                                                                                      \
	esp_err_t name(__VA_ARGS__)                                                                                                                                \
	{                                                                                                                                                          \
		return ESP_ERR_WIFI_NOT_INIT;                                                                                                                          \
	}

wifi_osi_funcs_t g_wifi_osi_funcs;
const wpa_crypto_funcs_t g_wifi_default_wpa_crypto_funcs;
ESP_EVENT_DEFINE_BASE(WIFI_EVENT);

#pragma GCC diagnostic ignored "-Wunused-parameter"

ABSENT(esp_wifi_init, const wifi_init_config_t *config)
ABSENT(esp_wifi_start, void)
ABSENT(esp_wifi_stop, void)
ABSENT(esp_wifi_connect, void)
ABSENT(esp_wifi_disconnect, void)
ABSENT(esp_wifi_get_mode, wifi_mode_t *mode)
ABSENT(esp_wifi_set_mode, wifi_mode_t mode)
ABSENT(esp_wifi_set_storage, wifi_storage_t storage)
ABSENT(esp_wifi_set_config, wifi_interface_t interface, wifi_config_t *config)
ABSENT(esp_wifi_get_mac, wifi_interface_t interface, uint8_t mac[6])
ABSENT(esp_wifi_get_channel, uint8_t *primary, wifi_second_chan_t *second)
ABSENT(esp_wifi_sta_get_ap_info, wifi_ap_record_t *record)
ABSENT(esp_wifi_scan_start, const wifi_scan_config_t *config, bool is_blocking)
ABSENT(esp_wifi_scan_stop, void)
ABSENT(esp_wifi_scan_get_ap_record, wifi_ap_record_t *record)
ABSENT(esp_wifi_internal_reg_netstack_buf_cb, wifi_netstack_buf_ref_cb_t reference, wifi_netstack_buf_free_cb_t release)
ABSENT(esp_wifi_internal_set_sta_ip, void)
ABSENT(esp_wifi_internal_tx_by_ref, wifi_interface_t interface, void *buffer, size_t length, void *netstack_buffer)
ABSENT(esp_wifi_internal_reg_rxcb, wifi_interface_t interface, wifi_rxcb_t receive)

int esp_wifi_internal_tx(wifi_interface_t interface, void *buffer, uint16_t length)
{
	return ESP_ERR_WIFI_NOT_INIT;
}

void esp_wifi_internal_free_rx_buffer(void *buffer)
{
}
