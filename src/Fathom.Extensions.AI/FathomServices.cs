using Fathom.Serving;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;

namespace Fathom.Extensions.AI;

/// <summary>A model among the services of a host.</summary>
public static class FathomServices
{
    /// <summary>
    /// Registers a model as the host's <see cref="IChatClient"/>, and as <see cref="FathomChatClient"/>, <see cref="ServingEngine"/> and
    /// <see cref="FathomModel"/>. It is loaded once, when one of them is first asked for, and given back when the host's services are disposed.
    /// </summary>
    /// <param name="services">of the host</param> <param name="options">which model, and how it serves</param>
    /// <returns>the same services</returns>
    public static IServiceCollection AddFathomChatClient(this IServiceCollection services, FathomOptions options)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(options);
        services.AddSingleton(_ => FathomModel.Load(options));
        services.AddSingleton(provider => provider.GetRequiredService<FathomModel>().Engine);
        services.AddSingleton(provider => new FathomChatClient(provider.GetRequiredService<ServingEngine>()));
        services.AddSingleton<IChatClient>(provider => provider.GetRequiredService<FathomChatClient>());
        return services;
    }
}
