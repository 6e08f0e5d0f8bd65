/*
 * Ethernet of the emulated board: the OpenCores MAC, which QEMU has, as an interface of ESP-IDF with an address by DHCP.
 */
#include "esp_eth.h"
#include "esp_eth_mac_openeth.h"
#include "esp_event.h"
#include "esp_log.h"
#include "esp_netif.h"
#include "xsmc.h"
#include "xsHost.h"

static esp_netif_t *interface;

/** @return what failed, NULL = nothing */
static const char *start(void)
{
	esp_eth_handle_t driver;
	eth_mac_config_t mac = ETH_MAC_DEFAULT_CONFIG();
	eth_phy_config_t phy = ETH_PHY_DEFAULT_CONFIG();
	esp_netif_config_t netif = ESP_NETIF_DEFAULT_ETH();
	/* Only the VM writes to the serial port: two tasks at once are too many for the C library that the image may be built with. */
	esp_log_level_set("*", ESP_LOG_NONE);
	phy.reset_gpio_num = -1;
	phy.phy_addr = ESP_ETH_PHY_ADDR_AUTO;
	if (esp_netif_init() != ESP_OK)
		return "esp_netif_init";
	esp_event_loop_create_default();
	interface = esp_netif_new(&netif);
	esp_eth_config_t config = ETH_DEFAULT_CONFIG(esp_eth_mac_new_openeth(&mac), esp_eth_phy_new_generic(&phy));
	if (interface == NULL || esp_eth_driver_install(&config, &driver) != ESP_OK)
		return "esp_eth_driver_install";
	if (esp_netif_attach(interface, esp_eth_new_netif_glue(driver)) != ESP_OK)
		return "esp_netif_attach";
	return esp_eth_start(driver) == ESP_OK ? NULL : "esp_eth_start";
}

void xs_tn_openeth_start(xsMachine *the)
{
	const char *failed = start();
	if (failed != NULL)
		xsUnknownError("%s failed", (char *)(uintptr_t)failed);
}

void xs_tn_openeth_address(xsMachine *the)
{
	esp_netif_ip_info_t info = {0};
	char text[16];
	if (interface == NULL || esp_netif_get_ip_info(interface, &info) != ESP_OK || info.ip.addr == 0)
		return;
	esp_ip4addr_ntoa(&info.ip, text, sizeof text);
	xsmcSetString(xsResult, text);
}
